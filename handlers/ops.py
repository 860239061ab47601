"""Tag Ops: what load balancers and operators ask; no key needed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from db import reading, schema
from errors import ApiError
from providers import instances
from services import queue
from spec import bridge
from spec.answers import mismatches

log = logging.getLogger(__name__)

# Jobs normally start within seconds; this long without a worker means that none is running.
QUEUE_STALLED_SECONDS = 900
REQUIRED = ("database", "migrations", "storage", "server")


def health_live() -> Any:
    return {"status": "ok"}, 200


def health_ready() -> Any:
    checks = {
        name: _passes(name, check)
        for name, check in (
            ("database", _database),
            ("migrations", _migrations),
            ("storage", instances.storage().check),
        )
    }
    checks["queue"] = _queue()
    checks["server"] = {"ok": not bridge.stopping.is_set()}
    wrong = sum(mismatches.values())
    checks["contract"] = {"ok": wrong == 0, "mismatchedAnswers": wrong}
    ready = all(checks[name]["ok"] for name in REQUIRED)
    return {"status": "ok" if ready else "unavailable", "checks": checks}, 200 if ready else 503


def _database() -> None:
    with reading() as reader:
        schema.current(reader)


def _migrations() -> None:
    with reading() as reader:
        at = schema.current(reader)
    if at != schema.head():
        raise RuntimeError(f"database is at {at or 'nothing'}, code needs {schema.head()}")


def _queue() -> dict[str, Any]:
    """Never makes the server unready: it can take orders while workers are being restarted."""
    try:
        with reading() as reader:
            seconds = round(queue.oldest_wait_seconds(reader), 1)
    except ApiError:
        return {"ok": False}
    return {"ok": seconds < QUEUE_STALLED_SECONDS, "oldestWaitSeconds": seconds}


def _passes(name: str, check: Callable[[], object]) -> dict[str, Any]:
    try:
        check()
    except Exception as error:  # whatever it is, the answer is "not ready"
        log.warning("not ready: %s: %s", name, error)
        return {"ok": False}
    return {"ok": True}
