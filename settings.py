"""Settings: read once from the environment and `.env`, typed, immutable, with defaults that run.

The only module that reads os.environ. A field's environment name is its name in capitals.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import urlsplit

from dotenv import dotenv_values

from settings_rules import PROVIDERS, URLS, configured, contradictions, missing_for_production

# Threads per process for operations that only use the database, for webhooks, for healthReady.
QUICK_THREADS = 8
WEBHOOK_THREADS = 4
PROBE_THREADS = 2

__all__ = [
    "PROBE_THREADS",
    "PROVIDERS",
    "QUICK_THREADS",
    "WEBHOOK_THREADS",
    "Settings",
    "SettingsError",
    "configured",
    "described",
    "load",
    "missing_for_production",
    "read",
]


class SettingsError(Exception):
    """The environment cannot be used; the message names every faulty setting and its fix."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("Settings cannot be used:\n" + "\n".join(f"  - {p}" for p in problems))
        self.problems = problems


def _setting(default: Any, about: str, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"about": about, "secret": secret})


@dataclass(frozen=True)
class Settings:
    """Everything that can be configured; each field states its meaning and unit."""

    environment: str = _setting("development", "development, test or production")
    server_api_key: tuple[str, ...] = _setting(
        (), "keys accepted in X-API-Key, comma-separated for rotation", secret=True
    )
    server_url: str = _setting(
        "http://127.0.0.1:8000/api",
        "public base URL of this server; links start with it",
    )
    host: str = _setting("127.0.0.1", "address to listen on")
    port: int = _setting(8000, "port to listen on")
    web_concurrency: int = _setting(2, "server processes")
    server_threads: int = _setting(
        8,
        "threads per process that may wait for storage, providers and Telegram; "
        "8 more only use the database, 4 are for webhooks, 2 for probes",
    )
    state_dir: Path = _setting(Path("var"), "folder of the embedded database, files and keys")
    log_level: str = _setting("INFO", "DEBUG, INFO, WARNING or ERROR")

    rate_limit_per_key: int = _setting(
        0, "requests a minute of one API key to one server process; 0 is no limit"
    )
    rate_limit_per_user: int = _setting(
        300, "requests a minute about one user to one server process; 0 is no limit"
    )

    database_url: str = _setting("", "PostgreSQL 15+; empty starts the embedded one", secret=True)

    s3_bucket: str = _setting("", "bucket for photos; empty stores them in STATE_DIR")
    s3_endpoint_url: str = _setting("", "S3-compatible endpoint; empty means Amazon")
    s3_region: str = _setting("us-east-1", "region of the bucket")
    aws_access_key_id: str = _setting("", "S3 key id", secret=True)
    aws_secret_access_key: str = _setting("", "S3 secret", secret=True)
    data_ttl_hours: int = _setting(0, "hours until uploads and results are deleted; 0 keeps them")

    default_provider: str = _setting("yookassa", "provider of a payment whose request names none")
    yookassa_shop_id: str = _setting("", "YooKassa shop id")
    yookassa_secret_key: str = _setting("", "YooKassa secret key", secret=True)
    yookassa_api_url: str = _setting("https://api.yookassa.ru/v3", "YooKassa API base URL")
    yookassa_receipt_email: str = _setting(
        "", "address fiscal receipts (54-FZ) go to; empty sends no receipts through YooKassa"
    )
    yookassa_vat_code: int = _setting(1, "VAT code of receipts, 1 to 12; 1 is no VAT")
    yookassa_tax_system_code: int = _setting(
        0, "tax system code of receipts, 1 to 6; 0 leaves it out"
    )
    yookassa_payment_subject: str = _setting("service", "what receipts say is sold")
    yookassa_payment_mode: str = _setting("full_payment", "how receipts say it is paid")
    yookassa_check_network: bool = _setting(
        False, "refuse notifications from outside YooKassa's networks"
    )
    trusted_proxies: tuple[str, ...] = _setting(
        (), "addresses or networks whose X-Forwarded-For is trusted, comma-separated"
    )
    stripe_secret_key: str = _setting("", "Stripe secret key", secret=True)
    stripe_webhook_secret: tuple[str, ...] = _setting(
        (), "Stripe endpoint secrets, comma-separated for rotation", secret=True
    )
    stripe_api_url: str = _setting("https://api.stripe.com", "Stripe API base URL")
    telegram_bot_token: str = _setting("", "Bot API token", secret=True)
    telegram_bot_username: str = _setting("", "bot name without @, for referral links")
    telegram_webhook_secret: tuple[str, ...] = _setting(
        (), "secrets of forwarded updates, comma-separated for rotation", secret=True
    )
    telegram_provider_token: str = _setting("", "payments token for RUB invoices", secret=True)
    telegram_currency: str = _setting("XTR", "currency of Telegram invoices: XTR (Stars) or RUB")
    telegram_rub_per_star: Decimal = _setting(
        Decimal("1.2"), "rubles one Star is worth to the shop; prices in Stars are rounded up"
    )
    telegram_api_url: str = _setting("https://api.telegram.org", "Bot API base URL")

    token_price_rub: Decimal = _setting(
        Decimal("10"), "price of one token without a tariff, rubles"
    )
    min_payment_rub: Decimal = _setting(Decimal("50"), "smallest payment, rubles")
    max_payment_rub: Decimal = _setting(Decimal("100000"), "largest payment, rubles")
    welcome_bonus_tokens: Decimal = _setting(Decimal("0"), "tokens given at registration")
    channel_bonus_tokens: Decimal = _setting(Decimal("5"), "tokens for joining a bonus channel")
    review_bonus_tokens: Decimal = _setting(Decimal("5"), "tokens for a review")
    review_min_length: int = _setting(
        10, "characters of a review in words; a command or a single word earns nothing"
    )
    referral_bonus_tokens: Decimal = _setting(Decimal("5"), "tokens for a paying invitee")
    referral_bonus_percent: Decimal = _setting(
        Decimal("0"), "percent of the invitee's first payment, in tokens"
    )
    referral_return_days: int = _setting(
        30, "days in which the inviter's reward goes when all that a friend paid is refunded"
    )
    waiting_job_ttl_hours: int = _setting(
        72, "hours an unpaid job waits for payment before it is closed"
    )
    bonus_channels: tuple[str, ...] = _setting((), "channels that give a bonus, comma-separated")
    review_chat: str = _setting(
        "", "group whose messages count as reviews: @name or numeric id; for a channel, its group"
    )
    review_log_chat: str = _setting(
        "", "private chat where the bot forwards a review to learn its author: numeric id"
    )
    require_consent: bool = _setting(
        False, "refuse jobs and payments of users without consent to personal data processing"
    )

    engine_timeout_seconds: int = _setting(120, "wall time limit of one generation")
    engine_memory_mb: int = _setting(1024, "memory limit of one generation, MiB")
    job_max_attempts: int = _setting(3, "attempts at one job before it fails and is refunded")
    job_lease_seconds: int = _setting(30, "silence after which a job is taken from its worker")
    idempotency_ttl_hours: int = _setting(24, "hours an Idempotency-Key is remembered")
    presign_ttl_seconds: int = _setting(900, "lifetime of an upload form")
    link_ttl_seconds: int = _setting(3600, "lifetime of a download link")

    @property
    def production(self) -> bool:
        """Whether unsafe defaults must be refused."""
        return self.environment == "production"

    @property
    def address(self) -> str:
        """HOST and PORT as written in URLs; an IPv6 address needs brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme and host of SERVER_URL."""
        parts = urlsplit(self.server_url)
        return f"{parts.scheme}://{parts.netloc}"


def read(environ: Mapping[str, str]) -> Settings:
    """Build settings from `environ`; SettingsError names every value that cannot be used."""
    hints = get_type_hints(Settings)
    values: dict[str, Any] = {}
    problems: list[str] = []
    for setting in fields(Settings):
        raw = environ.get(setting.name.upper(), "").strip()
        if not raw:
            continue
        if setting.name in URLS:
            raw = raw.rstrip("/")
        try:
            values[setting.name] = _parse(hints[setting.name], raw)
        except (ValueError, InvalidOperation):
            shown = "its value" if setting.metadata["secret"] else repr(raw)
            problems.append(
                f"{setting.name.upper()}: {shown} is not {_TYPE_NAMES[hints[setting.name]]}"
            )
    settings = Settings(**values)
    problems += contradictions(settings)
    if problems:
        raise SettingsError(problems)
    return settings


@cache
def load() -> Settings:
    """The settings of this process: `.env` in the working folder, overridden by the environment."""
    settings = read({**{k: v or "" for k, v in dotenv_values(".env").items()}, **os.environ})
    if settings.production and (unsafe := missing_for_production(settings)):
        raise SettingsError(unsafe)
    return settings


def described(settings: Settings) -> list[tuple[str, str, str]]:
    """Rows (NAME, effective value with secrets masked, meaning) in the order of the class."""
    rows = []
    for setting in fields(Settings):
        value = getattr(settings, setting.name)
        if setting.metadata["secret"]:
            shown = "(set)" if value else ""
        else:
            shown = ",".join(value) if isinstance(value, tuple) else str(value)
        rows.append((setting.name.upper(), shown, setting.metadata["about"]))
    return rows


def _parse(kind: type, raw: str) -> Any:
    if kind is bool:
        return _BOOLEANS[raw.lower()] if raw.lower() in _BOOLEANS else _refuse()
    if kind is int:
        return int(raw) if int(raw) >= 0 else _refuse()
    if kind is Decimal:
        amount = Decimal(raw)
        return amount if amount.is_finite() and amount >= 0 else _refuse()
    if kind is Path:
        return Path(raw)
    if kind is str:
        return raw
    return tuple(part.strip() for part in raw.split(",") if part.strip())


def _refuse() -> Any:
    raise ValueError


_BOOLEANS = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
_TYPE_NAMES = {
    bool: "true or false",
    int: "a whole number of 0 or more",
    Decimal: "an amount of 0 or more",
    Path: "a path",
    str: "text",
    tuple[str, ...]: "a comma-separated list",
}
