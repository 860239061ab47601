"""Pretended providers and engines for a machine of one's own, so that everything works offline.

`local/stack.py` puts the sandbox in the place of each one that is not configured; never in
production.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import requests

from local import ports
from local.processes import Program
from local.sandbox import Options
from settings import ENGINES, PROVIDERS, Settings, configured, engine_configured

CHANNEL = {
    "id": -1001000000001,
    "type": "channel",
    "title": "Новости",
    "username": "livephoto_channel",
}
REVIEWS = {
    "id": -1001000000002,
    "type": "supergroup",
    "title": "Отзывы",
    "username": "livephoto_reviews",
}
LOG_CHAT = {"id": -1001000000003, "type": "supergroup", "title": "Журнал отзывов"}
# Those for whom a visitor of the chat page speaks.
PEOPLE = [
    {"id": 501, "first_name": "Анна", "username": "anna_sergeevna", "language_code": "ru"},
    {"id": 502, "first_name": "Борис", "username": "boris_petrov", "language_code": "ru"},
    {"id": 503, "first_name": "Вера", "language_code": "ru"},
]
CONTROL_SECONDS = 5


class SimulatedProviders:
    """The sandbox beside a backend: which providers and engines it simulates, and where.

    port: where it listens, 0 for a free one. settings: those of the backend with the simulated ones
    filled in, whose names are filled_in.
    """

    def __init__(self, settings: Settings, port: int = 0) -> None:
        self.payment_providers = [] if settings.production else _missing(settings)
        self.engines = [] if settings.production else _missing_engines(settings)
        played = self.payment_providers or self.engines
        self.port = (port or ports.reserve()) if played else 0
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = settings
        for provider in self.payment_providers:
            self.settings = replace(
                self.settings, **_settings_of(provider, self.url, self.settings)
            )
        for engine in self.engines:
            self.settings = replace(self.settings, **_play_engine(engine, self.url))
        self.filled_in = [
            each.name
            for each in fields(Settings)
            if getattr(self.settings, each.name) != getattr(settings, each.name)
        ]

    @property
    def programs(self) -> tuple[Program, ...]:
        """The process to run, none when all providers and engines are real ones."""
        if not self.port:
            return ()
        arguments = ("-m", "local.sandbox", "--port", str(self.port))
        return (Program("sandbox", arguments, stop_seconds=5),)

    @property
    def chat_url(self) -> str:
        """The page on which people talk to the bot, empty where Telegram is the real one."""
        return f"{self.url}/chat" if "telegram" in self.payment_providers else ""

    def furnish(self) -> None:
        """Give the simulated Telegram its people, a channel, and the chats of the reviews."""
        if "telegram" in self.payment_providers:
            requests.post(
                f"{self.url}/control/telegram/world",
                json={"people": PEOPLE, "chats": [CHANNEL, REVIEWS, LOG_CHAT]},
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


def _missing_engines(settings: Settings) -> list[str]:
    """Engines that have neither a key nor an address of their own."""

    def address(of: Any, engine: str) -> str:
        return getattr(of, f"{engine}_api_url", "")  # ComfyUI has no address but an own one

    return [
        engine
        for engine in ENGINES
        if not engine_configured(settings, engine)
        and address(settings, engine) == address(Settings, engine)
    ]


def _play_engine(engine: str, url: str) -> dict[str, Any]:
    keys = Options()
    return {
        "replicate": {
            "replicate_api_url": f"{url}/replicate/v1",
            "replicate_api_token": keys.replicate_api_token,
        },
        "fal": {"fal_api_url": f"{url}/fal", "fal_key": keys.fal_key},
        "polza": {"polza_api_url": f"{url}/polza/api/v1", "polza_api_key": keys.polza_api_key},
        "comfyui": {"comfyui_url": f"{url}/comfyui"},
    }[engine]


def _settings_of(provider: str, url: str, settings: Settings) -> dict[str, Any]:
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
