"""The outside world, built once per process from settings.

Implementations are imported where they are built: the child process of an engine is in this package
too, and must not pay 0.4 s and 26 MiB a job for clients of storage and payments.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import settings
from errors import ApiError

if TYPE_CHECKING:
    from providers.engine import Engine
    from providers.payments import Gateway
    from providers.storage import Storage
    from providers.telegram import TelegramBot


@cache
def storage() -> Storage:
    """The bucket of S3_BUCKET, or the folder STATE_DIR/files served by this server."""
    current = settings.load()
    if current.s3_bucket:
        from providers.storage.s3 import S3Storage

        return S3Storage(
            bucket=current.s3_bucket,
            endpoint_url=current.s3_endpoint_url or None,
            region=current.s3_region,
            access_key_id=current.aws_access_key_id,
            secret_access_key=current.aws_secret_access_key,
        )
    from providers.storage.disk import DiskStorage

    return DiskStorage(current.state_dir / "files", base_url=f"{current.server_url}/storage")


@cache
def engine(name: str) -> Engine:
    """The engine that a generation model names. KeyError for one this version does not have."""
    from providers.engine.embedded import EmbeddedEngine

    current = settings.load()
    return {"embedded": EmbeddedEngine}[name](
        timeout_seconds=current.engine_timeout_seconds, memory_mb=current.engine_memory_mb
    )


@cache
def gateway(provider: str) -> Gateway:
    """The gateway of a provider of the contract. ApiError `provider_not_configured`."""
    from providers.payments.connections import connected

    return connected(provider, settings.load())


@cache
def telegram() -> TelegramBot:
    """The bot of TELEGRAM_BOT_TOKEN. ApiError `telegram_unavailable` when none is set."""
    current = settings.load()
    if not current.telegram_bot_token:
        raise ApiError("telegram_unavailable", "TELEGRAM_BOT_TOKEN is not set", retry_after=60)
    from providers.telegram import TelegramBot

    return TelegramBot(current.telegram_api_url, current.telegram_bot_token)
