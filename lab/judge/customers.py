"""A customer of the running server, for the judges of its payments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from lab.judge.verdicts import insist
from local.client import Client
from local.processes import comes_true
from local.stack import Stack

PATIENCE_SECONDS = 30


class Customer:
    """One user with the API's key, and the controls of the sandbox that simulates the providers."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._client = Client(stack.url, stack.api_key)
        self.telegram_id = uuid4().int % 10**9 + 10**9
        body = {"telegramId": str(self.telegram_id)}
        self.id: str = self.call("POST", "/users/register-or-login", 200, json=body)["id"]
        consent = {"consentPd": True}
        self.call("PATCH", f"/users/{self.id}/consent", 200, json=consent)

    def call(self, method: str, path: str, expect: int, **options: Any) -> Any:
        """Send one request of the contract; its JSON. FoundError."""
        answer = self._client.send(method, path, **options)
        insist(answer.status_code == expect, f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()

    def balance(self) -> float:
        """Tokens to spend."""
        found: float = self.call("GET", f"/users/{self.id}/balance", 200)["balanceTokens"]
        return found

    def intent(self, provider: str) -> dict[str, Any]:
        """Create a payment for the first tariff."""
        tariff = self.call("GET", "/tariffs", 200)[0]
        body = {"userId": self.id, "provider": provider, "plan": tariff["name"]}
        body["amountRub"] = tariff["costRub"]
        found: dict[str, Any] = self.call("POST", "/payments/intents", 201, json=body)
        return found

    def control(self, method: str, path: str, **body: Any) -> Any:
        """Call a control endpoint of the sandbox."""
        url = f"{self.stack.simulated.url}/control{path}"
        answer = self._client.send(method, url, json=body)
        answer.raise_for_status()
        return answer.json()

    def notify(self, provider: str, raw: bytes, **headers: str) -> int:
        """Post a notification with exactly these bytes; the status of the answer."""
        path = f"/webhooks/payments/{provider}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["Content-Type"] = "application/json"
        return self._client.send("POST", path, data=raw, headers=named).status_code


def slug(url: str) -> str:
    """The last part of an address."""
    return urlsplit(url).path.rpartition("/")[2]


def wait_until(fact: Callable[[], bool], finding: str) -> None:
    """Wait for a fact; FoundError when it does not become true in PATIENCE_SECONDS."""
    insist(comes_true(fact, PATIENCE_SECONDS), finding)
