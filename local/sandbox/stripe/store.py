"""Objects of the simulated account, stored and as seen from outside, and events about them."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from local.sandbox.clock import Clock
from local.sandbox.stripe.wire import Refusal
from local.sandbox.webhooks import Sender

API_VERSION = "2026-10-28.endive"


@dataclass(kw_only=True)
class Store:
    """`objects` holds everything by id, references as ids; hold `lock` while changing them."""

    clock: Clock
    sender: Sender
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def find(self, identifier: str, kind: str) -> dict[str, Any]:
        """A stored object. Refusal."""
        found = self.objects.get(identifier)
        if found is None or found["object"] != kind:
            raise Refusal(
                404, f"No such {kind}: '{identifier}'", code="resource_missing", param="id"
            )
        return found

    def emit(self, kind: str, subject: dict[str, Any]) -> dict[str, Any]:
        """Send an event about an object in its current state; returns the object."""
        event = self.store(
            {
                "id": new_id("evt"),
                "object": "event",
                "api_version": API_VERSION,
                "created": self.now(),
                "data": {"object": public_copy(subject)},
                "livemode": False,
                "pending_webhooks": 1,
                "request": {"id": None, "idempotency_key": None},
                "type": kind,
            }
        )
        self.sender.send(kind, json.dumps(event, indent=2).encode())
        return subject

    def store(self, new: dict[str, Any]) -> dict[str, Any]:
        """Add a new object and return it."""
        with self.lock:
            self.objects[new["id"]] = new
        return new

    def now(self) -> int:
        """Unix time of this account's clock."""
        return int(self.clock.now().timestamp())


def public_copy(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A copy as sent to clients."""
    return {name: deepcopy(value) for name, value in stored.items() if not name.startswith("_")}


def new_id(prefix: str) -> str:
    """An identifier as Stripe makes them, such as re_1f2e..."""
    return f"{prefix}_{secrets.token_hex(12)}"
