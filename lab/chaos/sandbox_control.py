"""Controls the sandbox: customers pay, join and review; providers fail."""

from __future__ import annotations

from typing import Any

import requests

from lab.chaos.books import Intent
from local.simulation import CHANNEL, REVIEWS

PROVIDERS = ("yookassa", "stripe", "telegram")
ENGINES = ("replicate", "fal", "polza")
RUN_SECONDS = 1.0  # of an engine's model
REQUEST_SECONDS = 30.0
# Scales the pauses before an unacknowledged event is sent again.
RETRY_SCALE = 0.1
PRE_CHECKOUT_SECONDS = 3.0
# How an attempt to pay in Telegram ends when no money moves.
UNPAID = ("timeout", "refused")


class SandboxControl:
    """The control endpoints of a sandbox at `url`; thread-safe."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/control"

    def request(self, method: str, path: str, **body: Any) -> Any:
        """Call one endpoint and return its JSON."""
        with requests.Session() as session:
            session.trust_env = False
            url = self._url + path
            answer = session.request(method, url, json=body, timeout=REQUEST_SECONDS)
        answer.raise_for_status()
        return answer.json()

    def pay(self, intent: Intent, link: str, telegram_id: str) -> bool:
        """Pay as the customer; whether money has moved."""
        if intent.provider == "telegram":
            paid = self.request("POST", "/telegram/pay", link=link, user_id=int(telegram_id))
            return paid["status"] not in UNPAID
        kind = {"yookassa": "payments", "stripe": "sessions"}[intent.provider]
        self.request("POST", f"/{intent.provider}/{kind}/{intent.reference}/pay")
        return True

    def join_channel(self, telegram_id: str) -> None:
        """Make somebody a member of the bonus channel."""
        path = f"/telegram/chats/{CHANNEL['id']}/members/{telegram_id}"
        self.request("PUT", path, status="member")

    def post_review(self, telegram_id: str) -> None:
        """Write a review as somebody."""
        self.request(
            "POST",
            "/telegram/messages",
            chat_id=REVIEWS["id"],
            user_id=int(telegram_id),
            text=f"Ожило! {telegram_id} спасибо говорит.",
        )

    def set_delivery(self, provider: str, **changes: Any) -> None:
        """Change how a provider sends its events: copies, paused, delay, retry_scale, url."""
        if provider == "telegram":
            changes = {"delay_seconds" if k == "delay" else k: v for k, v in changes.items()}
        self.request(
            "PUT", f"/{provider}/{'pace' if provider == 'telegram' else 'webhook'}", **changes
        )

    def connect(self, urls: dict[str, str]) -> None:
        """Send events to the servers at these roots, with short pauses between repeats."""
        for provider in PROVIDERS:
            self.set_delivery(provider, retry_scale=RETRY_SCALE)
        for provider in ("yookassa", "stripe"):
            hook = f"{urls[provider]}/api/v1/webhooks/payments/{provider}"
            self.set_delivery(provider, url=hook)
        self.request("PUT", "/telegram/pre-checkout", seconds=PRE_CHECKOUT_SECONDS)
        for engine in ENGINES:
            self.request("PUT", f"/{engine}/scripts/default", run_seconds=RUN_SECONDS)

    def inject_fault(self, provider: str, kind: str, **script: Any) -> None:
        """Script a fault for the next calls of a provider's API."""
        self.request("POST", f"/{provider}/faults", kind=kind, **script)

    def script_runs(self, engine: str, *, times: int, **script: Any) -> None:
        """Script what becomes of an engine's next runs."""
        for _ in range(times):
            self.request("POST", f"/{engine}/scripts", **script)

    def set_account(self, engine: str, state: str) -> None:
        """Change our account at an engine: good, no_credit or locked."""
        self.request("PUT", f"/{engine}/account", state=state)

    def runs(self, engine: str) -> list[dict[str, Any]]:
        """What an engine has accepted, and so wants to be paid for."""
        accepted: list[dict[str, Any]] = self.request("GET", f"/{engine}/runs")
        return accepted

    def reset_engines(self) -> None:
        """Clear all faults of the engines."""
        for engine in ENGINES:
            self.request("DELETE", f"/{engine}/faults")
            self.set_account(engine, "good")

    def reset(self) -> None:
        """Clear all faults; every event is sent once again."""
        for provider in PROVIDERS:
            self.request("DELETE", f"/{provider}/faults")
            self.set_delivery(provider, copies=1, delay=0.0, paused=False)
