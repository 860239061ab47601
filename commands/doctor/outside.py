"""What others see of us, and whether providers take our keys: one cheap call of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from uuid import UUID

import settings
from commands.doctor.finding import Finding, judged
from db.types import now
from providers import probes, registry
from providers.payments import PaymentRef, ProviderError, ProviderMisconfigured, ProviderRejected
from providers.telegram import Meaning, TelegramError
from workflows import outbox

OK = 200
# A payment that nobody has: whoever says so has taken our key.
NOBODY = UUID(int=0)
NOBODYS = {"yookassa": str(NOBODY), "stripe": "cs_test_doctor"}


def public_address() -> Iterator[Finding]:
    """SERVER_URL, to which providers post and links lead."""
    url = settings.load().server_url
    fix = "is the server up, and does SERVER_URL lead to the proxy before it? Webhooks go there"
    try:
        status = probes.ask(f"{url}/v1/health/live").status
    except OSError as error:
        yield Finding("FAIL", "server", f"{url} does not answer: {type(error).__name__}", fix)
        return
    yield judged("server", f"{url} answered with {status}", fail=status != OK, fix=fix)


def payment_key(provider: str) -> Iterator[Finding]:
    """Ask for a payment that does not exist."""
    if not settings.configured(settings.load(), provider):
        return
    nobody = PaymentRef(NOBODY, NOBODYS[provider], None, 100, "RUB", "1", now())
    try:
        registry.gateway(provider).read_back(nobody)
    except ProviderMisconfigured as error:
        fix = f"the key of {provider} in the settings is wrong or has been revoked"
        yield Finding("FAIL", provider, error.description, fix)
    except ProviderRejected:
        yield Finding("OK", provider, "takes our key")
    except ProviderError as error:
        yield Finding("WARN", provider, error.description, "does it answer? try again")
    else:
        yield Finding("OK", provider, "takes our key")


def telegram() -> Iterator[Finding]:
    """The bot's token, and who gets its updates: one that polls gets none beside a webhook."""
    if not settings.load().telegram_bot_token:
        return
    try:
        url = registry.telegram().webhook_url()
    except TelegramError as error:
        wrong = error.meaning is Meaning.CONFIGURATION
        fix = "TELEGRAM_BOT_TOKEN is wrong or revoked" if wrong else "does it answer? try again"
        yield judged("telegram", error.description, fail=wrong, warn=not wrong, fix=fix)
        return
    says = f"posts updates to {url}" if url else "takes our token, and is polled"
    fix = "the bot of this project polls: deleteWebhook, unless you run one of your own"
    yield judged("telegram", says, warn=bool(url), fix=fix)


def engine_key(name: str) -> Iterator[Finding]:
    """Whether an engine of a provider would take orders."""
    if not settings.engine_configured(settings.load(), name):
        return
    trouble = registry.remote_engine(name).health().problem
    says = f"{trouble.code} {trouble.detail}".strip() if trouble else "takes our key"
    yield judged(name, says, fail=trouble is not None, fix="docs/engines.md#when-it-fails")


def events_address() -> Iterator[Finding]:
    """EVENTS_URL, where the bot takes what is posted."""
    to = outbox.endpoint()
    if to is None:
        return
    delivery = outbox.ping(to)
    says = "took an event" if delivery.delivered else f"{delivery.status}: {delivery.error}"
    fix = "is the bot up, and has it the same EVENTS_SECRETS?"
    yield judged("events address", says, fail=not delivery.delivered, fix=fix)


CHECKS: dict[str, Callable[[], Iterator[Finding]]] = {
    "server": public_address,
    "events address": events_address,
    "telegram": telegram,
    **{name: partial(payment_key, name) for name in NOBODYS},
    **{name: partial(engine_key, name) for name in settings.ENGINES},
}
