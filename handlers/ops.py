"""Tag Ops: probes for load balancers and operators; no key needed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from db import commit_wait_seconds, reading, schema
from db.commits import WAIT_SECONDS
from db.servers import OldPrimaryError
from errors import ApiError, with_reason
from providers import registry
from services import queue
from spec.functions import Reply
from spec.responses import mismatches
from workflows import photo_folder

log = logging.getLogger(__name__)

# Jobs normally start within seconds; this long without a worker means that none is running.
QUEUE_STALLED_SECONDS = 900
REMEMBERED_SECONDS = 1
REQUIRED = ("database", "migrations", "storage", "server")

# Set at SIGTERM, before the listener closes: readiness answers 503 from then on.
stopping = threading.Event()


def health_live() -> Reply:
    return {"status": "ok"}, 200


def health_ready() -> Reply:
    checks = dict(_looked_at(int(time.monotonic() // REMEMBERED_SECONDS)))
    checks["server"] = {"ok": not stopping.is_set()}
    wrong = sum(mismatches.values())
    checks["contract"] = {"ok": wrong == 0, "mismatchedAnswers": wrong}
    ready = all(checks[name]["ok"] for name in REQUIRED)
    return {"status": "ok" if ready else "unavailable", "checks": checks}, 200 if ready else 503


@lru_cache(maxsize=1)
def _looked_at(moment: int) -> dict[str, dict[str, Any]]:
    """The findings of this moment, cached for all: strangers may ask as often as they like."""
    storage = {"storage": _passes("storage", registry.storage().check)}
    try:
        found = _look_at_database()
        if storage["storage"]["ok"] and found["migrations"]["ok"]:
            storage = {"storage": _passes("storage", photo_folder.require_ours)}
        return found | storage
    except Exception as error:  # whatever it is, the answer is "not ready"
        # Each further query would wait for the same time-out.
        log.warning("not ready: database: %s", with_reason(error))
        away = dict.fromkeys(("database", "migrations", "queue"), {"ok": False})
        return away | {"database": {"ok": False, **_detail(error)}} | storage


def _look_at_database() -> dict[str, dict[str, Any]]:
    with reading() as reader:
        objection = schema.objection(reader)
        found = {"database": {"ok": True}, "commits": _commits(commit_wait_seconds(reader))}
    if objection:
        log.warning("not ready: migrations: %s", objection)
        return found | dict.fromkeys(("migrations", "queue"), {"ok": False})
    return found | {"migrations": {"ok": True}, "queue": _queue()}


def _commits(waited: float) -> dict[str, Any]:
    """Never makes the server unready: every other one waits for the same standby, and they would
    all leave the load balancer, with the reads that they still answer.
    """
    if waited <= WAIT_SECONDS:
        return {"ok": True}
    detail = f"nothing can be written: a commit has waited {waited:.0f} s for a standby"
    log.warning("nothing can be written: a commit has waited %.0f s for a standby", waited)
    return {"ok": False, "detail": detail}


def _detail(error: Exception) -> dict[str, str]:
    """What an operator must know, and strangers may."""
    cause = getattr(error.__cause__, "orig", None)
    return {"detail": str(cause)} if isinstance(cause, OldPrimaryError) else {}


def _queue() -> dict[str, Any]:
    """Never makes the server unready: it can take orders while workers restart."""
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
