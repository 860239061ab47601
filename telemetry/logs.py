"""Logging: one JSON object per line on standard output, each with the request it belongs to.

No line may hold keys, bodies, names or queries.
"""

from __future__ import annotations

import logging
import logging.config
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.orjson import OrjsonFormatter

# Copied into the handler's thread with the rest of the context; None outside a request.
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

# Our own loggers; their level is LOG_LEVEL.
OURS = (
    "access",
    "console",
    "db",
    "handlers",
    "providers",
    "services",
    "spec",
    "web",
    "worker",
    "workflows",
)
# PostgreSQL explains an error with "Key (telegram_id)=(384726159) already exists." and shows its
# place with "LINE 1: ...SET username='anna', new_column...".
_ROW_CONTENT = re.compile(r"^(DETAIL|LINE \d+): .*$", re.MULTILINE)

# Log lines do not name the place in the code, the thread or the process, so logging need not look
# them up.
logging._srcfile = None
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False

EXCHANGE = "livephoto.exchange"


@dataclass(slots=True)
class Exchange:
    """What the request's log line will say; layers fill it in as they learn more.

    Kept in the ASGI scope under EXCHANGE. `template` is the path of the contract, since the real
    one contains ids; `key` is the position of the accepted key in SERVER_API_KEY, never the key;
    `noted` is what its function added, see note().
    """

    template: str | None = None
    operation: str | None = None
    key: int | None = None
    code: str | None = None
    status: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    noted: dict[str, Any] = field(default_factory=dict)


# Copied into the handler's thread like request_id.
exchange: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


def note(**details: Any) -> None:
    """Add to the log line of the current request, which is cheaper than another line."""
    if (current := exchange.get()) is not None:
        current.noted |= details


@contextmanager
def about(request: str | None) -> Iterator[None]:
    """Lines within belong to this request: a worker goes on with what it ordered."""
    token = request_id.set(request)
    try:
        yield
    finally:
        request_id.reset(token)


class RequestIdFilter(logging.Filter):
    """Adds the current request id to every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        if (current := request_id.get()) is not None:
            record.request_id = current
        return True


_OF_EVERY_RECORD = frozenset(RESERVED_ATTRS)


class Formatter(OrjsonFormatter):
    """A record as one JSON object; tracebacks are logged without the rows they mention."""

    def add_fields(
        self,
        log_data: dict[str, Any],
        record: logging.LogRecord,
        message_dict: dict[str, Any],
    ) -> None:
        """Level, logger, message, everything given as `extra`, and time; in this order.

        The library's own works out for each record which of its options are used.
        """
        log_data["level"] = record.levelname
        log_data["logger"] = record.name
        log_data["message"] = record.message
        log_data.update(message_dict)
        log_data.update({k: v for k, v in record.__dict__.items() if k not in _OF_EVERY_RECORD})
        log_data["time"] = datetime.fromtimestamp(record.created, UTC)

    def formatException(self, ei: Any) -> str:  # noqa: N802 the name is logging's
        """The traceback of `ei`."""
        return _ROW_CONTENT.sub(r"\1: [redacted]", logging.Formatter.formatException(self, ei))


def configure(level: str) -> None:
    """Log JSON lines of `level` and above to standard output, for server, worker and CLI alike."""
    logging.config.dictConfig(config(level))


def config(level: str) -> dict[str, Any]:
    """The same as a dictConfig, which gunicorn needs for its own start-up lines.

    `level` is for our own loggers. Libraries log at DEBUG what they send: signed links, paths with
    ids, headers with keys. They never go below INFO.
    """
    outsiders = "INFO" if level == "DEBUG" else level
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request_id": {"()": RequestIdFilter}},
        "formatters": {"json": {"()": Formatter}},
        "handlers": {
            "stdout": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stdout",
                "formatter": "json",
                "filters": ["request_id"],
            }
        },
        "root": {"level": outsiders, "handlers": ["stdout"]},
        "loggers": {
            **{name: {"level": level} for name in OURS},
            # gunicorn gives these two their own handlers unless told otherwise.
            "gunicorn.error": {"level": outsiders, "handlers": [], "propagate": True},
            "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
            # Seven lines about its own plugins on each import.
            "alembic.runtime.plugins": {"level": "WARNING"},
            # At INFO connexion reports every 401 and every media type it has no validator for.
            "connexion": {"level": "WARNING"},
        },
    }
