"""Every setting: its default, its meaning and unit, and what values it may have."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from settings.limits import BOT, CHANNELS, CHAT, CHAT_BY_ID, Limits

PROVIDERS = ("yookassa", "stripe", "telegram")
# Services that generate for us over HTTP, besides the engine that is built in.
ENGINES = ("replicate", "fal", "polza", "comfyui")
# Threads per process for operations that only use the database and write, for those that only read
# it, for webhooks, for healthReady, and for counting requests in the database.
QUICK_THREADS, READ_THREADS = 8, 8
WEBHOOK_THREADS = 4
PROBE_THREADS = 2
LIMIT_THREADS = 4

STORES = ("process", "database")
DAY, TEN_YEARS = 86_400, 87_600  # in seconds; in hours


def _setting(default: Any, about: str, *, secret: bool = False, **limits: Any) -> Any:
    metadata = {"about": about, "secret": secret, "limits": Limits(**limits)}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """Everything that can be configured; each field states its meaning and unit."""

    environment: str = _setting(
        "development",
        "development, test or production",
        choices=("development", "test", "production"),
    )
    server_api_key: tuple[str, ...] = _setting(
        (), "keys accepted in X-API-Key, comma-separated for rotation", secret=True
    )
    server_url: str = _setting(
        "http://127.0.0.1:8000/api", "public base URL of this server; links start with it", url=True
    )
    host: str = _setting("127.0.0.1", "address to listen on")
    port: int = _setting(8000, "port to listen on", least=1, most=65535)
    web_concurrency: int = _setting(2, "server processes", least=1)
    server_threads: int = _setting(
        8,
        "threads per process that may wait for storage, providers and Telegram; "
        "8 more write to the database alone, 8 read, 4 are for webhooks, 2 for probes",
        least=1,
    )
    console_host: str = _setting("127.0.0.1", "address on which the operator's console listens")
    console_port: int = _setting(8001, "port of the console", least=1, most=65535)
    console_url: str = _setting(
        "",
        "address by which operators reach the console, through a proxy with TLS; "
        "empty for this machine alone",
        url=True,
    )
    console_threads: int = _setting(8, "pages that the console makes at once", least=1)
    state_dir: Path = _setting(Path("var"), "folder of the embedded database, files and keys")
    log_level: str = _setting(
        "INFO", "DEBUG, INFO, WARNING or ERROR", choices=("DEBUG", "INFO", "WARNING", "ERROR")
    )

    metrics_address: str = _setting(
        "", "host:port where Prometheus finds /metrics; empty counts nothing", address=True
    )
    metrics_token: str = _setting(
        "", "token that Prometheus must send as Authorization: Bearer; empty asks none", secret=True
    )
    metrics_folder: str = _setting("", "folder of metrics that are shown for all who share it")
    otel_exporter_otlp_endpoint: str = _setting("", "URL of a collector of traces, OTLP", url=True)
    otel_traces_sampler_arg: Decimal = _setting(
        Decimal("0.05"), "share of requests and jobs that are traced by chance, 0 to 1", most=1
    )
    sentry_dsn: str = _setting("", "where ERROR lines go, without their values", secret=True)

    rate_limit_per_key: int = _setting(0, "requests a minute of one API key; 0 is no limit")
    rate_limit_per_user: int = _setting(300, "requests a minute about one user; 0 is no limit")
    rate_limit_store: str = _setting(
        "process", "what counts them: each process, or the database for all", choices=STORES
    )

    database_url: str = _setting("", "PostgreSQL 15+; empty starts the embedded one", secret=True)
    database_direct_url: str = _setting(
        "",
        "PostgreSQL itself, where DATABASE_URL is a pooler in transaction mode",
        secret=True,
    )

    s3_bucket: str = _setting("", "bucket for photos; empty stores them in STATE_DIR")
    s3_endpoint_url: str = _setting("", "S3-compatible endpoint; empty means Amazon", url=True)
    s3_public_endpoint_url: str = _setting("", "where clients reach it, if elsewhere", url=True)
    s3_region: str = _setting("us-east-1", "region of the bucket")
    aws_access_key_id: str = _setting("", "S3 key id", secret=True)
    aws_secret_access_key: str = _setting("", "S3 secret", secret=True)
    data_ttl_hours: int = _setting(
        0, "hours until uploads and results are deleted; 0 keeps them", most=TEN_YEARS
    )
    result_ttl_hours: int = _setting(
        0, "hours until results are deleted; 0 means DATA_TTL_HOURS", most=TEN_YEARS
    )
    unused_upload_ttl_hours: int = _setting(
        168, "hours until an upload without an order is deleted; 0: DATA_TTL_HOURS", most=TEN_YEARS
    )

    default_provider: str = _setting(
        "yookassa", "provider of a payment whose request names none", choices=PROVIDERS
    )
    yookassa_shop_id: str = _setting("", "YooKassa shop id")
    yookassa_secret_key: str = _setting("", "YooKassa secret key", secret=True)
    yookassa_api_url: str = _setting(
        "https://api.yookassa.ru/v3", "YooKassa API base URL", url=True
    )
    yookassa_receipt_email: str = _setting(
        "",
        "address fiscal receipts (54-FZ) go to where the customer's is not known; "
        "empty sends no receipts through YooKassa",
    )
    yookassa_vat_code: int = _setting(
        1, "VAT code of receipts, 1 to 12; 1 is no VAT", least=1, most=12
    )
    yookassa_tax_system_code: int = _setting(
        0, "tax system code of receipts, 1 to 6; 0 leaves it out", most=6
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
    stripe_api_url: str = _setting("https://api.stripe.com", "Stripe API base URL", url=True)
    telegram_bot_token: str = _setting("", "Bot API token", secret=True)
    telegram_bot_username: str = _setting("", "bot name without @, for referral links", form=BOT)
    telegram_webhook_secret: tuple[str, ...] = _setting(
        (), "secrets of forwarded updates, comma-separated for rotation", secret=True
    )
    telegram_provider_token: str = _setting("", "payments token for RUB invoices", secret=True)
    telegram_currency: str = _setting(
        "XTR", "currency of Telegram invoices: XTR (Stars) or RUB", choices=("XTR", "RUB")
    )
    telegram_rub_per_star: Decimal = _setting(
        Decimal("1.2"),
        "rubles one Star is worth to the shop; prices in Stars are rounded up",
        above=0,
        most=10_000,
    )
    telegram_api_url: str = _setting("https://api.telegram.org", "Bot API base URL", url=True)

    events_url: str = _setting(
        "",
        "address of the bot to which events are posted; empty leaves them to be read",
        url=True,
    )
    events_secrets: tuple[str, ...] = _setting(
        (),
        "secrets of posted events, whsec_ and base64, comma-separated; the first two sign",
        secret=True,
    )
    event_ttl_days: int = _setting(
        30, "days an event is kept for the bot, also one given up", least=1, most=3650
    )

    token_price_rub: Decimal = _setting(
        Decimal("10"), "price of one token without a tariff, rubles", above=0, most=100_000_000
    )
    min_payment_rub: Decimal = _setting(Decimal("50"), "smallest payment, rubles", most=100_000_000)
    max_payment_rub: Decimal = _setting(
        Decimal("100000"), "largest payment, rubles", most=100_000_000
    )
    welcome_bonus_tokens: Decimal = _setting(
        Decimal("0"), "tokens given at registration", most=1_000_000, decimals=2
    )
    channel_bonus_tokens: Decimal = _setting(
        Decimal("5"), "tokens for joining a bonus channel", most=1_000_000, decimals=2
    )
    review_bonus_tokens: Decimal = _setting(
        Decimal("5"), "tokens for a review", most=1_000_000, decimals=2
    )
    # The most is the length of a message in Telegram.
    review_min_length: int = _setting(
        10,
        "characters of a review in words; a command or a single word earns nothing",
        least=1,
        most=4096,
    )
    referral_bonus_tokens: Decimal = _setting(
        Decimal("5"), "tokens for a paying invitee", most=1_000_000, decimals=2
    )
    referral_bonus_percent: Decimal = _setting(
        Decimal("0"), "percent of the invitee's first payment, in tokens", most=10_000
    )
    referral_return_days: int = _setting(
        30,
        "days in which the inviter's reward goes when all that a friend paid is refunded",
        most=3650,
    )
    waiting_job_ttl_hours: int = _setting(
        72, "hours an unpaid job waits for payment before it is closed", least=1, most=TEN_YEARS
    )
    bonus_channels: tuple[str, ...] = _setting(
        (), "channels that give a bonus, comma-separated", form=CHANNELS
    )
    review_chat: str = _setting(
        "",
        "group whose messages count as reviews: @name or numeric id; for a channel, its group",
        form=CHAT,
    )
    review_log_chat: str = _setting(
        "",
        "private chat where the bot forwards a review to learn its author: numeric id",
        form=CHAT_BY_ID,
    )
    require_consent: bool = _setting(
        False, "refuse jobs and payments of users without consent to personal data processing"
    )
    consent_version: str = _setting(
        "", "version of the text that people agree to; after a change the bot can ask again"
    )

    erasure_key: tuple[str, ...] = _setting(
        (),
        "keys that erased accounts are recognised by, comma-separated, newest first",
        secret=True,
    )
    notice_ttl_days: int = _setting(540, "days a notice says who has paid", least=1, most=3650)
    support_ttl_days: int = _setting(365, "days a closed request is kept", least=1, most=3650)

    replicate_api_token: str = _setting("", "Replicate API token", secret=True)
    replicate_api_url: str = _setting(
        "https://api.replicate.com/v1", "Replicate API base URL", url=True
    )
    fal_key: str = _setting("", "fal.ai API key", secret=True)
    fal_api_url: str = _setting(
        "https://queue.fal.run",
        "fal.ai queue base URL; the other hosts of one that is not fal's own are below it",
        url=True,
    )
    polza_api_key: str = _setting(
        "", "Polza.ai API key, used by nothing but this deployment", secret=True
    )
    polza_api_url: str = _setting("https://polza.ai/api/v1", "Polza.ai API base URL", url=True)
    comfyui_url: str = _setting("", "base URL of an own ComfyUI", url=True)
    comfyui_header: str = _setting(
        "", "header that the proxy of ComfyUI asks for, Name: value", secret=True, header=True
    )
    remote_timeout_seconds: int = _setting(
        1200, "time a provider has for one generation before it is refunded", least=1, most=DAY
    )
    remote_wait_minutes: int = _setting(
        60, "minutes an order waits for providers that are out of order", least=1, most=1440
    )
    job_cost_limit_usd: Decimal = _setting(
        Decimal("1"), "dollars one order may cost at providers", most=1_000
    )
    job_cost_limit_rub: Decimal = _setting(
        Decimal("100"), "rubles one order may cost at providers", most=100_000
    )
    rub_per_usd: Decimal = _setting(
        Decimal("90"),
        "rubles for a dollar of an engine's bill, in the figures",
        above=0,
        most=10_000,
    )
    engine_second_rub: Decimal = _setting(
        Decimal("0"),
        "rubles for a second of the built-in engine, in the figures",
        most=10_000,
    )
    engine_timeout_seconds: int = _setting(
        120, "wall time limit of one generation", least=1, most=DAY
    )
    engine_memory_mb: int = _setting(1024, "memory limit of one generation, MiB", least=1)
    job_max_attempts: int = _setting(
        3, "attempts at one job before it fails and is refunded", least=1
    )
    job_lease_seconds: int = _setting(
        30, "silence after which a job is taken from its worker", least=1, most=DAY
    )
    idempotency_ttl_hours: int = _setting(
        24, "hours an Idempotency-Key is remembered", least=1, most=TEN_YEARS
    )
    # A form must not outlive the row of its file, which is abandoned after a day.
    presign_ttl_seconds: int = _setting(900, "lifetime of an upload form", least=1, most=DAY)
    # A signed S3 link is valid for a week at most, and is handed out for a quarter of its life.
    link_ttl_seconds: int = _setting(3600, "lifetime of a download link", least=1, most=483_840)

    @property
    def production(self) -> bool:
        """Whether unsafe defaults must be refused."""
        return self.environment == "production"

    @property
    def address(self) -> str:
        """HOST and PORT as written in URLs; an IPv6 address needs brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def console_address(self) -> str:
        """CONSOLE_HOST and CONSOLE_PORT as written in URLs."""
        host = f"[{self.console_host}]" if ":" in self.console_host else self.console_host
        return f"{host}:{self.console_port}"

    @property
    def console_origin(self) -> str:
        """Where operators find the console: CONSOLE_URL, or this machine's own address."""
        return self.console_url or f"http://{self.console_address}"

    @property
    def origin(self) -> str:
        """Scheme and host of SERVER_URL."""
        parts = urlsplit(self.server_url)
        return f"{parts.scheme}://{parts.netloc}"
