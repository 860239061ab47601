"""A server that is stopping reports that it is not ready."""

from __future__ import annotations

import threading

import pytest

from handlers import ops


def test_readiness_fails_from_sigterm_on(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer, status = ops.health_ready()
    assert (status, answer["checks"]["server"]) == (200, {"ok": True})
    asked = threading.Event()
    asked.set()
    monkeypatch.setattr(ops, "stopping", asked)
    answer, status = ops.health_ready()
    assert (status, answer["status"]) == (503, "unavailable")
    failed = {name for name, check in answer["checks"].items() if not check["ok"]}
    assert failed & set(ops.REQUIRED) == {"server"}
