"""Objects of the pretended account as they are kept and shown, and the events that tell of them."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from sandbox.clock import Clock
from sandbox.stripe.wire import Refusal
from sandbox.webhooks import Sender

API_VERSION = "2026-10-28.endive"


@dataclass(kw_only=True)
class Store:
    """`objects` holds everything by id, references as ids; `lock` is held by who changes some."""

    clock: Clock
    sender: Sender
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def find(self, identifier: str, kind: str) -> dict[str, Any]:
        """An object as it is kept. Refusal."""
        found = self.objects.get(identifier)
        if found is None or found["object"] != kind:
            raise Refusal(
                404, f"No such {kind}: '{identifier}'", code="resource_missing", param="id"
            )
        return found

    def tell(self, kind: str, told: dict[str, Any]) -> dict[str, Any]:
        """Send an event about an object as it is now, which comes back."""
        event = self.keep(
            {
                "id": new_id("evt"),
                "object": "event",
                "api_version": API_VERSION,
                "created": self.now(),
                "data": {"object": shown(told)},
                "livemode": False,
                "pending_webhooks": 1,
                "request": {"id": None, "idempotency_key": None},
                "type": kind,
            }
        )
        self.sender.send(kind, json.dumps(event, indent=2).encode())
        return told

    def keep(self, made: dict[str, Any]) -> dict[str, Any]:
        """Take a new object in, which comes back."""
        with self.lock:
            self.objects[made["id"]] = made
        return made

    def now(self) -> int:
        """Unix time of this account's clock."""
        return int(self.clock.now().timestamp())


def shown(kept: Mapping[str, Any]) -> dict[str, Any]:
    """A copy as the wire has it."""
    return {name: deepcopy(value) for name, value in kept.items() if not name.startswith("_")}


def new_id(prefix: str) -> str:
    """An identifier as Stripe makes them, such as re_1f2e..."""
    return f"{prefix}_{secrets.token_hex(12)}"
