"""External systems as the settings describe them; each object is built once per process."""

from __future__ import annotations

from decimal import Decimal
from functools import cache

import settings
from errors import ApiError
from providers.engine import EngineError
from providers.engine.embedded import EmbeddedEngine
from providers.engine.remote import RemoteEngine
from providers.engine.remote.comfyui import ComfyUiEngine
from providers.engine.remote.fal import FalEngine
from providers.engine.remote.polza import PolzaEngine
from providers.engine.remote.replicate import ReplicateEngine
from providers.payments import Gateway
from providers.payments.receipts import ReceiptRules
from providers.payments.source_addresses import SourceFilter
from providers.payments.stripe import StripeGateway
from providers.payments.telegram import STARS, TelegramGateway, in_stars
from providers.payments.yookassa import YooKassaGateway
from providers.storage import Storage
from providers.storage.disk import STORAGE_PATH, DiskStorage
from providers.telegram import TelegramBot
from settings import Settings

EMBEDDED = "embedded"
ENGINES = {EMBEDDED: EmbeddedEngine}


@cache
def storage() -> Storage:
    """The bucket of S3_BUCKET, or the folder STATE_DIR/files served by this server."""
    current = settings.load()
    if current.s3_bucket:
        from providers.storage.s3 import S3Storage  # boto3 would be a seventh of every start

        return S3Storage(
            bucket=current.s3_bucket,
            endpoint_url=current.s3_endpoint_url or None,
            public_endpoint_url=current.s3_public_endpoint_url or None,
            region=current.s3_region,
            access_key_id=current.aws_access_key_id,
            secret_access_key=current.aws_secret_access_key,
        )
    return DiskStorage(current.state_dir / "files", base_url=f"{current.server_url}{STORAGE_PATH}")


@cache
def engine(name: str) -> EmbeddedEngine:
    """The engine of this machine with this name. EngineError for one this version does not have."""
    if name not in ENGINES:
        raise EngineError("engine_unavailable", f"no engine {name!r} in this version")
    current = settings.load()
    return ENGINES[name](
        timeout_seconds=current.engine_timeout_seconds, memory_mb=current.engine_memory_mb
    )


@cache
def remote_engine(name: str) -> RemoteEngine:
    """One of settings.ENGINES. EngineError for another one, and for one without a key."""
    current = settings.load()
    if name not in settings.ENGINES or not settings.engine_configured(current, name):
        raise EngineError("engine_unavailable", f"engine {name!r} is not configured")
    return {"replicate": _replicate, "fal": _fal, "polza": _polza, "comfyui": _comfyui}[name](
        current
    )


@cache
def gateway(provider: str) -> Gateway:
    """The gateway of a provider in the contract. ApiError `provider_not_configured`."""
    current = settings.load()
    if not settings.configured(current, provider):
        raise ApiError("provider_not_configured", details={"provider": provider})
    return {"yookassa": _yookassa, "stripe": _stripe, "telegram": _telegram}[provider](current)


@cache
def telegram() -> TelegramBot:
    """The bot with TELEGRAM_BOT_TOKEN. ApiError `telegram_unavailable` when none is set."""
    current = settings.load()
    if not current.telegram_bot_token:
        raise ApiError("telegram_unavailable", "TELEGRAM_BOT_TOKEN is not set", retry_after=60)
    return TelegramBot(current.telegram_api_url, current.telegram_bot_token)


def stars(amount_rub: Decimal) -> int | None:
    """What Telegram asks for these rubles, in Stars; None where it does not take Stars."""
    current = settings.load()
    if current.telegram_currency != STARS or not settings.configured(current, "telegram"):
        return None
    return in_stars(amount_rub, current.telegram_rub_per_star)


def _replicate(current: Settings) -> RemoteEngine:
    return ReplicateEngine(current.replicate_api_url, current.replicate_api_token)


def _fal(current: Settings) -> RemoteEngine:
    return FalEngine(current.fal_api_url, current.fal_key)


def _polza(current: Settings) -> RemoteEngine:
    return PolzaEngine(current.polza_api_url, current.polza_api_key)


def _comfyui(current: Settings) -> RemoteEngine:
    name, _, value = current.comfyui_header.partition(":")
    return ComfyUiEngine(current.comfyui_url, (name, value.strip()))


def _yookassa(current: Settings) -> Gateway:
    return YooKassaGateway(
        current.yookassa_api_url,
        current.yookassa_shop_id,
        current.yookassa_secret_key,
        receipts=_receipts(current),
        sources=SourceFilter(current.trusted_proxies) if current.yookassa_check_network else None,
    )


def _stripe(current: Settings) -> Gateway:
    return StripeGateway(
        current.stripe_api_url, current.stripe_secret_key, current.stripe_webhook_secret
    )


def _telegram(current: Settings) -> Gateway:
    return TelegramGateway(
        telegram(),
        secrets=current.telegram_webhook_secret,
        currency=current.telegram_currency,
        rub_per_star=current.telegram_rub_per_star,
        provider_token=current.telegram_provider_token,
    )


def _receipts(current: Settings) -> ReceiptRules | None:
    if not current.yookassa_receipt_email:
        return None
    return ReceiptRules(
        email=current.yookassa_receipt_email,
        vat_code=current.yookassa_vat_code,
        tax_system_code=current.yookassa_tax_system_code,
        payment_subject=current.yookassa_payment_subject,
        payment_mode=current.yookassa_payment_mode,
    )
