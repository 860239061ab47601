"""Lines of the log at level ERROR as events for Sentry, without anything that people wrote.

Until start() is called, nothing of Sentry is imported. Only its logging integration is used: its
others would change how requests and statements run, and tell what they carry.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from telemetry import logs

# Whatever else an event holds (values, parameters, hosts, modules) stays here.
_KEPT = ("event_id", "timestamp", "platform", "level", "logger", "release", "environment")
_KEPT_OF_FRAME = ("filename", "module", "function", "lineno", "in_app")


def start(dsn: str, *, release: str, environment: str, transport: Any = None) -> None:
    """Send there, if there is an address, by a thread: in a server after the fork. RuntimeError
    without its package.

    transport: of tests, instead of the network.
    """
    if not dsn:
        return
    try:
        import sentry_sdk
        from sentry_sdk.integrations.logging import LoggingIntegration
    except ImportError as missing:
        raise RuntimeError(
            "SENTRY_DSN needs the packages of requirements/observability.txt"
        ) from missing
    sentry_sdk.init(
        dsn=dsn,
        release=f"livephoto@{release}",
        environment=environment,
        transport=transport,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[LoggingIntegration(level=None, event_level=logging.ERROR)],
        before_send=_only_what_is_ours,
        include_local_variables=False,
        include_source_context=False,
        max_breadcrumbs=0,
        max_request_body_size="never",
        send_default_pii=False,
        auto_session_tracking=False,
        server_name="",
    )
    # When Sentry is away, each event would add a warning, with its address, to the log.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)


def stop() -> None:
    """Send what is left, for two seconds at most; nothing if it was not started."""
    if sdk := sys.modules.get("sentry_sdk"):
        sdk.get_client().close(timeout=2.0)


def _only_what_is_ours(event: Any, hint: dict[str, Any]) -> Any:
    """The same event of known parts. The words of an exception may be a customer's, the text of a
    line without its values is ours; the log has both under the same request id.
    """
    kept = {name: event[name] for name in _KEPT if name in event}
    record = hint.get("log_record")
    kept["logentry"] = {"message": str(record.msg) if record else "an error outside of the log"}
    kept["exception"] = {
        "values": [_without_words(each) for each in event.get("exception", {}).get("values", ())]
    }
    exchange = logs.exchange.get()
    tags = {
        "request_id": logs.request_id.get(),
        "operation": exchange.operation if exchange else None,
    }
    return kept | {"tags": {name: value for name, value in tags.items() if value}}


def _without_words(exception: dict[str, Any]) -> dict[str, Any]:
    frames = exception.get("stacktrace", {}).get("frames", ())
    return {
        "type": exception.get("type"),
        "module": exception.get("module"),
        "value": "its words are in the log",
        "stacktrace": {
            "frames": [
                {name: frame[name] for name in _KEPT_OF_FRAME if name in frame} for frame in frames
            ]
        },
    }
