"""Pretended payment providers for a machine of one's own, so that every operation works offline.

`local/stack.py` puts the sandbox in the place of each provider that is not configured; never in
production.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import requests

from local import ports
from local.processes import Program
from local.sandbox import Options
from settings import PROVIDERS, Settings, configured

CHANNEL = {"id": -1001000000001, "username": "livephoto_channel", "type": "channel"}
REVIEWS = {"id": -1001000000002, "username": "livephoto_reviews", "type": "supergroup"}
LOG_CHAT = {"id": -1001000000003, "username": None, "type": "supergroup"}
CONTROL_SECONDS = 5


class Playground:
    """The sandbox beside a backend: which providers it plays, and where.

    settings: those of the backend with the played providers filled in.
    """

    def __init__(self, settings: Settings) -> None:
        self.played = [] if settings.production else _missing(settings)
        self.port = ports.reserve() if self.played else 0
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = settings
        for provider in self.played:
            self.settings = replace(self.settings, **_play(provider, self.url, self.settings))

    @property
    def programs(self) -> tuple[Program, ...]:
        """The process to run, none when every provider is a real one."""
        if not self.played:
            return ()
        arguments = ("-m", "local.sandbox", "--port", str(self.port))
        return (Program("sandbox", arguments, stop_seconds=5),)

    def furnish(self) -> None:
        """Give the simulated Telegram the chats that the settings name."""
        if "telegram" not in self.played:
            return
        for chat in (CHANNEL, REVIEWS, LOG_CHAT):
            requests.put(
                f"{self.url}/control/telegram/chats/{chat['id']}",
                json={"type": chat["type"], "username": chat["username"]},
                timeout=CONTROL_SECONDS,
            ).raise_for_status()


def _missing(settings: Settings) -> list[str]:
    """Providers that have neither keys nor an address of their own."""
    return [
        provider
        for provider in PROVIDERS
        if not configured(settings, provider)
        and getattr(settings, f"{provider}_api_url") == getattr(Settings, f"{provider}_api_url")
    ]


def _play(provider: str, url: str, settings: Settings) -> dict[str, Any]:
    keys = Options()
    if provider == "yookassa":
        return {
            "yookassa_api_url": f"{url}/yookassa/v3",
            "yookassa_shop_id": keys.yookassa_shop_id,
            "yookassa_secret_key": keys.yookassa_secret_key,
        }
    if provider == "stripe":
        return {
            "stripe_api_url": f"{url}/stripe",
            "stripe_secret_key": keys.stripe_secret_key,
            "stripe_webhook_secret": keys.stripe_webhook_secrets,
        }
    return {
        "telegram_api_url": f"{url}/telegram",
        "telegram_bot_token": keys.telegram_bot_token,
        "telegram_bot_username": keys.telegram_bot_username,
        "telegram_webhook_secret": (keys.telegram_webhook_secret,),
        "bonus_channels": settings.bonus_channels or (f"@{CHANNEL['username']}",),
        "review_chat": settings.review_chat or f"@{REVIEWS['username']}",
        "review_log_chat": settings.review_log_chat or str(LOG_CHAT["id"]),
    }
