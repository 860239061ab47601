"""Which settings contradict each other, and which defaults production must not run on."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from settings import Settings

PROVIDERS = ("yookassa", "stripe", "telegram")
CHOICES = {
    "environment": ("development", "test", "production"),
    "log_level": ("DEBUG", "INFO", "WARNING", "ERROR"),
    "default_provider": PROVIDERS,
    "telegram_currency": ("XTR", "RUB"),
}
# A signed S3 link is valid for a week at most, and is handed out for a quarter of its life; a form
# must not outlive the row of its file, which is abandoned after a day.
AT_MOST = {
    "port": 65535,
    "link_ttl_seconds": 483_840,
    "presign_ttl_seconds": 86_400,
    "referral_return_days": 3650,
    "review_min_length": 4096,  # of a message in Telegram
    **dict.fromkeys(("idempotency_ttl_hours", "waiting_job_ttl_hours", "data_ttl_hours"), 87_600),
    **dict.fromkeys(("engine_timeout_seconds", "job_lease_seconds"), 86_400),
    **dict.fromkeys(("min_payment_rub", "max_payment_rub", "token_price_rub"), 100_000_000),
    **dict.fromkeys(("telegram_rub_per_star", "referral_bonus_percent"), 10_000),
    **dict.fromkeys(
        (
            "welcome_bonus_tokens",
            "channel_bonus_tokens",
            "review_bonus_tokens",
            "referral_bonus_tokens",
        ),
        1_000_000,
    ),
}
# Paths are appended to each, so a trailing slash is removed.
URLS = ("server_url", "s3_endpoint_url", "yookassa_api_url", "stripe_api_url", "telegram_api_url")
DATABASES = ("postgres", "postgresql", "postgresql+psycopg2")
BONUSES = (
    "welcome_bonus_tokens",
    "channel_bonus_tokens",
    "review_bonus_tokens",
    "referral_bonus_tokens",
)
# 0 would stop the server or switch a rule off; every other number may be 0.
AT_LEAST_ONE = (
    "port",
    "review_min_length",
    "web_concurrency",
    "server_threads",
    "waiting_job_ttl_hours",
    "engine_timeout_seconds",
    "engine_memory_mb",
    "job_max_attempts",
    "job_lease_seconds",
    "idempotency_ttl_hours",
    "presign_ttl_seconds",
    "link_ttl_seconds",
)

_NAME = "[A-Za-z][A-Za-z0-9_]{3,31}"
_CHAT_ID = "-?[1-9][0-9]{0,15}"
# How chats may be written in settings, each with its fix.
_CHATS = {
    "bonus_channels": (
        re.compile(rf"(?:@|(?:https://)?t\.me/)?{_NAME}/?"),
        "name public channels as @name",
    ),
    "review_chat": (
        re.compile(f"@{_NAME}|{_CHAT_ID}"),
        "write @name, or the numeric id of the group",
    ),
    "review_log_chat": (re.compile(_CHAT_ID), "write the numeric id of the chat"),
    "telegram_bot_username": (re.compile(_NAME), "write the name of the bot without @"),
}


def contradictions(settings: Settings) -> list[str]:
    """What cannot be intended in any environment, one line each with its fix."""
    problems = [
        f"{name.upper()}: must be one of {', '.join(choices)}"
        for name, choices in CHOICES.items()
        if getattr(settings, name) not in choices
    ]
    if settings.database_url and settings.database_url.partition("://")[0] not in DATABASES:
        problems.append("DATABASE_URL: must start with postgresql://")
    if settings.min_payment_rub > settings.max_payment_rub:
        problems.append("MIN_PAYMENT_RUB: is larger than MAX_PAYMENT_RUB")
    if settings.s3_bucket and not (settings.aws_access_key_id and settings.aws_secret_access_key):
        problems.append("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: needed with S3_BUCKET")
    if settings.token_price_rub <= 0:
        problems.append("TOKEN_PRICE_RUB: must be more than 0")
    return [
        *problems,
        *_wrong_urls(settings),
        *_wrong_numbers(settings),
        *_yookassa_contradictions(settings),
        *_telegram_contradictions(settings),
    ]


def missing_for_production(settings: Settings) -> list[str]:
    """What must still be set before real customers may come, one line each."""
    needs = [
        (settings.server_api_key, "SERVER_API_KEY: set at least one key of 32 characters or more"),
        (
            all(len(key) >= 32 for key in settings.server_api_key),
            "SERVER_API_KEY: a key needs 32 characters or more: `openssl rand -hex 32`",
        ),
        (settings.database_url, "DATABASE_URL: set it to a PostgreSQL 15+ server"),
        (
            settings.server_url.startswith("https://"),
            "SERVER_URL: must be the public https:// address of this server",
        ),
        (
            not settings.s3_bucket or not settings.s3_endpoint_url.startswith("http://"),
            "S3_ENDPOINT_URL: photos would travel unencrypted; use https://",
        ),
        (
            any(configured(settings, provider) for provider in PROVIDERS),
            "YOOKASSA_*, STRIPE_* or TELEGRAM_*: configure at least one payment provider",
        ),
        (
            not settings.yookassa_secret_key or settings.yookassa_api_url.startswith("https://"),
            "YOOKASSA_API_URL: must be https://",
        ),
        (
            not settings.stripe_secret_key or settings.stripe_api_url.startswith("https://"),
            "STRIPE_API_URL: must be https://",
        ),
        (
            not settings.telegram_bot_token or settings.telegram_api_url.startswith("https://"),
            "TELEGRAM_API_URL: must be https://",
        ),
    ]
    return [advice for satisfied, advice in needs if not satisfied]


def configured(settings: Settings, provider: str) -> bool:
    """Whether a payment provider has everything it needs to take money and prove its webhooks."""
    return bool(
        {
            "yookassa": settings.yookassa_shop_id and settings.yookassa_secret_key,
            "stripe": settings.stripe_secret_key and settings.stripe_webhook_secret,
            "telegram": settings.telegram_bot_token and settings.telegram_webhook_secret,
        }[provider]
    )


def _wrong_urls(settings: Settings) -> list[str]:
    values = {name.upper(): getattr(settings, name) for name in URLS}
    faults = {name: _url_fault(value) for name, value in values.items() if value}
    return [f"{name}: {fault}" for name, fault in faults.items() if fault]


def _url_fault(value: str) -> str | None:
    try:
        url = urlsplit(value)
        url.port  # noqa: B018 read for its ValueError
    except ValueError as error:
        return f"is no URL: {error}"
    if url.scheme not in ("http", "https") or not url.hostname:
        return "must start with http:// or https:// and a host"
    if not value.isascii() or not value.isprintable() or " " in value:
        return "must be ASCII without spaces; a host in other letters is written as xn--..."
    if "?" in value or "#" in value:
        return "must have no query and no fragment"
    return None


def _wrong_numbers(settings: Settings) -> list[str]:
    problems = [
        f"{name.upper()}: must be 1 or more" for name in AT_LEAST_ONE if getattr(settings, name) < 1
    ]
    problems += [
        f"{name.upper()}: must be {most} or less"
        for name, most in AT_MOST.items()
        if getattr(settings, name) > most
    ]
    problems += [
        f"{name.upper()}: tokens have two decimals"
        for name in BONUSES
        if getattr(settings, name) <= AT_MOST[name] and getattr(settings, name) * 100 % 1
    ]
    return problems


def _yookassa_contradictions(settings: Settings) -> list[str]:
    problems = []
    if not 1 <= settings.yookassa_vat_code <= 12:
        problems.append("YOOKASSA_VAT_CODE: must be 1 to 12")
    if settings.yookassa_tax_system_code > 6:
        problems.append("YOOKASSA_TAX_SYSTEM_CODE: must be 1 to 6, or 0 to leave it out")
    for proxy in settings.trusted_proxies:
        try:
            ip_network(proxy)
        except ValueError:
            problems.append(f"TRUSTED_PROXIES: {proxy!r} is not an address or a network")
    return problems


def _telegram_contradictions(settings: Settings) -> list[str]:
    problems = []
    if settings.telegram_currency == "RUB" and not settings.telegram_provider_token:
        problems.append("TELEGRAM_PROVIDER_TOKEN: needed with TELEGRAM_CURRENCY=RUB")
    if settings.telegram_rub_per_star <= 0:
        problems.append("TELEGRAM_RUB_PER_STAR: must be more than 0")
    for name, (form, fix) in _CHATS.items():
        value = getattr(settings, name)
        for chat in value if isinstance(value, tuple) else filter(None, [value]):
            if not form.fullmatch(chat):
                problems.append(f"{name.upper()}: {chat!r} names no chat; {fix}")
    return problems
