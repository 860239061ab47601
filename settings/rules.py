"""Which settings contradict each other, and which defaults production must not run on."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import fields
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from settings import databases
from settings.fields import PROVIDERS, Settings


def contradictions(settings: Settings) -> list[str]:
    """What cannot be intended in any environment, one line each with its fix."""
    problems = []
    for name in ("database_url", "database_direct_url"):
        url = getattr(settings, name)
        if url and (fault := databases.fault(url)):
            problems.append(f"{name.upper()}: {fault}")
    if settings.database_direct_url and not settings.database_url:
        problems.append("DATABASE_DIRECT_URL: needs DATABASE_URL, the address of the pooler")
    if settings.min_payment_rub > settings.max_payment_rub:
        problems.append("MIN_PAYMENT_RUB: is larger than MAX_PAYMENT_RUB")
    if settings.s3_bucket and not (settings.aws_access_key_id and settings.aws_secret_access_key):
        problems.append("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: needed with S3_BUCKET")
    problems += [
        f"{name.upper()}: needs S3_BUCKET; without one photos stay in STATE_DIR"
        for name in ("s3_endpoint_url", "s3_public_endpoint_url")
        if getattr(settings, name) and not settings.s3_bucket
    ]
    problems += _wrong_proxies(settings)
    if settings.telegram_currency == "RUB" and not settings.telegram_provider_token:
        problems.append("TELEGRAM_PROVIDER_TOKEN: needed with TELEGRAM_CURRENCY=RUB")
    problems += _wrong_events(settings)
    problems += _wrong_listeners(settings)
    return [*_faults_of_single_values(settings), *problems]


def _faults_of_single_values(settings: Settings) -> list[str]:
    faults = [
        f"{each.name.upper()}: {fault}"
        for each in fields(settings)
        for fault in each.metadata["limits"].faults(getattr(settings, each.name))
    ]
    if any(len(key) < 32 for key in settings.erasure_key):
        faults.append("ERASURE_KEY: a key needs 32 characters or more: `openssl rand -hex 32`")
    return faults


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
        *_unencrypted_photos(settings),
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
        *_unencrypted_engines(settings),
        (
            settings.metrics_token or _is_of_this_machine(settings.metrics_address),
            "METRICS_TOKEN: metrics are secrets of the business; set it, or listen on 127.0.0.1",
        ),
        *_unencrypted_people(settings),
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


def engine_configured(settings: Settings, engine: str) -> bool:
    """Whether a remote engine has what it needs to take orders."""
    return bool(
        {
            "replicate": settings.replicate_api_token,
            "fal": settings.fal_key,
            "polza": settings.polza_api_key,
            "comfyui": settings.comfyui_url,
        }[engine]
    )


def _unencrypted_photos(settings: Settings) -> list[tuple[bool, str]]:
    """Within a private network they may, if clients have an address of their own."""
    inside, outside = settings.s3_endpoint_url, settings.s3_public_endpoint_url
    advice = "photos would travel unencrypted; use https://"
    private = bool(outside) and _is_private(inside)
    return [
        (
            not settings.s3_bucket or not inside.startswith("http://") or private,
            f"S3_ENDPOINT_URL: {advice}",
        ),
        (
            not settings.s3_bucket or not outside.startswith("http://"),
            f"S3_PUBLIC_ENDPOINT_URL: {advice}",
        ),
    ]


def _unencrypted_people(settings: Settings) -> list[tuple[bool, str]]:
    """What is told of people, and who may see it."""
    return [
        (
            not settings.events_url.startswith("http://") or _is_private(settings.events_url),
            "EVENTS_URL: events would travel unencrypted; use https://",
        ),
        (
            not settings.console_url.startswith("http://"),
            "CONSOLE_URL: passwords would travel unencrypted; use https://",
        ),
        (
            not settings.console_url or bool(settings.trusted_proxies),
            "TRUSTED_PROXIES: name the proxy of CONSOLE_URL, or whoever guesses at a password makes"
            " all operators wait",
        ),
    ]


def _unencrypted_engines(settings: Settings) -> list[tuple[bool, str]]:
    """ComfyUI may stand in a private network without a certificate; the others never do."""
    return [
        (
            not engine_configured(settings, engine)
            or getattr(settings, f"{engine}_api_url").startswith("https://"),
            f"{engine.upper()}_API_URL: must be https://",
        )
        for engine in ("replicate", "fal", "polza")
    ]


def _wrong_events(settings: Settings) -> Iterator[str]:
    """A secret of Standard Webhooks 1.0 is 24 to 64 random bytes."""
    if settings.events_url and not settings.events_secrets:
        yield "EVENTS_SECRETS: needed with EVENTS_URL; make one: whsec_$(openssl rand -base64 32)"
    for number, secret in enumerate(settings.events_secrets, start=1):
        try:
            length = len(b64decode(secret.removeprefix("whsec_"), validate=True))
        except ValueError:
            length = 0
        if not (secret.startswith("whsec_") and 24 <= length <= 64):
            yield f"EVENTS_SECRETS: number {number} is not whsec_ and the base64 of 24 to 64 bytes"
    try:
        parts = urlsplit(settings.events_url)
    except ValueError:  # which its own limits report
        return
    if "@" in parts.netloc:
        yield "EVENTS_URL: must have no user and no password; its requests are signed"
    address = _address(parts.hostname)
    if address is not None and address.is_link_local:
        yield "EVENTS_URL: is no address of a bot"


def _is_private(url: str) -> bool:
    """Whether a URL surely stays inside: an address of a private network, or a name of its own."""
    host = urlsplit(url).hostname or ""
    address = _address(host)
    return "." not in host if address is None else address.is_private


def _is_of_this_machine(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    known = _address(host)
    return host in ("", "localhost") or (known is not None and known.is_loopback)


def _wrong_listeners(settings: Settings) -> Iterator[str]:
    if settings.metrics_address.rpartition(":")[2] == str(settings.port):
        yield "METRICS_ADDRESS: must have another port than PORT"
    if not _is_origin(settings.console_url):
        yield (
            "CONSOLE_URL: must be what browsers call an origin, or no form is taken: scheme, host,"
            " a port only where it is unusual, and nothing else"
        )


def _is_origin(url: str) -> bool:
    try:
        parts = urlsplit(url)
        usual = parts.port == {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:  # which its own limits report
        return True
    return not usual and parts.path in ("", "/") and "@" not in parts.netloc


def _address(host: str | None) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host or "")
    except ValueError:
        return None


def _wrong_proxies(settings: Settings) -> list[str]:
    wrong = []
    for proxy in settings.trusted_proxies:
        try:
            ip_network(proxy)
        except ValueError:
            wrong.append(f"TRUSTED_PROXIES: {proxy!r} is not an address or a network")
    return wrong
