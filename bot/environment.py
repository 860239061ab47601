"""What the bot is told by its environment; the names are those of the server's settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import environ
from pathlib import Path

REQUIRED = ("SERVER_URL", "SERVER_API_KEY", "TELEGRAM_BOT_TOKEN", "TELEGRAM_WEBHOOK_SECRET")


@dataclass(frozen=True)
class Environment:
    """Where backend and Telegram are, and the secrets for both."""

    server_url: str
    api_key: str = field(repr=False)
    token: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    telegram_url: str = "https://api.telegram.org"
    folder: Path = Path("var")


def read() -> Environment:
    """The environment; SystemExit with what is missing. Of a list of keys the first one is used."""
    if missing := [name for name in REQUIRED if not environ.get(name)]:
        raise SystemExit(f"The bot needs {', '.join(missing)}; see docs/bot.md")
    url, key, token, secret = (environ[name].split(",")[0].strip() for name in REQUIRED)
    telegram = environ.get("TELEGRAM_API_URL") or Environment.telegram_url
    folder = Path(environ.get("STATE_DIR") or "var")
    return Environment(url, key, token, secret, telegram.rstrip("/"), folder)
