"""What the outside does, by the sandbox: people pay and join, providers misbehave."""

from __future__ import annotations

from typing import Any

import requests

from chaos.books import Intent
from playground import CHANNEL, REVIEWS

PROVIDERS = ("yookassa", "stripe", "telegram")
LEVER_SECONDS = 30.0
# Events that nobody acknowledged are sent again this much sooner than by the real ones.
RETRY_SCALE = 0.1
PRE_CHECKOUT_SECONDS = 3.0
UNPAID = ("timeout", "refused")  # what Telegram's payer sees when the shop did not answer


class Levers:
    """The control endpoints of a sandbox at `url`; any number of threads may pull them."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/control"

    def pull(self, method: str, path: str, **body: Any) -> Any:
        """One lever, and what it says."""
        with requests.Session() as session:
            session.trust_env = False
            url = self._url + path
            answer = session.request(method, url, json=body, timeout=LEVER_SECONDS)
        answer.raise_for_status()
        return answer.json()

    def pay(self, intent: Intent, link: str, telegram_id: str) -> bool:
        """The customer pays; whether money has moved."""
        if intent.provider == "telegram":
            told = self.pull("POST", "/telegram/pay", link=link, user_id=int(telegram_id))
            return told["status"] not in UNPAID
        kind = {"yookassa": "payments", "stripe": "sessions"}[intent.provider]
        self.pull("POST", f"/{intent.provider}/{kind}/{intent.reference}/pay")
        return True

    def join(self, telegram_id: str) -> None:
        """Somebody becomes a member of the bonus channel."""
        path = f"/telegram/chats/{CHANNEL['id']}/members/{telegram_id}"
        self.pull("PUT", path, status="member")

    def praise(self, telegram_id: str) -> None:
        """Somebody writes a review."""
        self.pull(
            "POST",
            "/telegram/messages",
            chat_id=REVIEWS["id"],
            user_id=int(telegram_id),
            text="Ожило!",
        )

    def pace(self, provider: str, **changes: Any) -> None:
        """How a provider sends its events: copies, paused, delay."""
        if provider == "telegram":
            changes = {"delay_seconds" if k == "delay" else k: v for k, v in changes.items()}
        self.pull(
            "PUT", f"/{provider}/{'pace' if provider == 'telegram' else 'webhook'}", **changes
        )

    def settle(self, urls: dict[str, str]) -> None:
        """Events go to these roots, are repeated quickly, and each comes now and then twice."""
        for provider in PROVIDERS:
            self.pace(provider, retry_scale=RETRY_SCALE)
        for provider in ("yookassa", "stripe"):
            hook = f"{urls[provider]}/api/v1/webhooks/payments/{provider}"
            self.pace(provider, url=hook)
        self.pull("PUT", "/telegram/pre-checkout", seconds=PRE_CHECKOUT_SECONDS)

    def misbehave(self, provider: str, kind: str, **script: Any) -> None:
        """What befalls the next calls of a provider's API."""
        self.pull("POST", f"/{provider}/faults", kind=kind, **script)

    def behave(self) -> None:
        """No trouble any more, and every event goes out once."""
        for provider in PROVIDERS:
            self.pull("DELETE", f"/{provider}/faults")
            self.pace(provider, copies=1, delay=0.0, paused=False)
