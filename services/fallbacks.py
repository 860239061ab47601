"""What becomes of an order whose attempt at a provider has ended without a result.

Only rules, no tables. Another attempt is made only when the last one has surely ended: at most
MOST_PAID_ATTEMPTS of them are paid, and together within a limit for each currency.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from db.models import EMBEDDED
from db.models.engines import MOST_PAID_ATTEMPTS
from services.breakers import ACCOUNT_CODES

# Of the provider and not of this order, so that the same model may do it the next time.
PASSING = frozenset({"infrastructure", "busy", "absent"})
AGAIN_AFTER = {"busy": timedelta(seconds=15), "credit": timedelta(seconds=5)}
AT_ONCE = timedelta(0)
AGAIN_AFTER_FAILURE = timedelta(seconds=5)
MOST_AT_ONE_ENGINE = 3  # that cost nothing; of those that did, the second goes elsewhere
MOST_ATTEMPTS = 12
# Shown to the customer by the bot, by the trouble of the last attempt.
REFUSED = (
    "content_rejected",
    "Эту фотографию нельзя обработать: её не пропустила проверка. Токены возвращены на баланс.",
)
UNREADABLE = (
    "image_unsuitable",
    "Эта фотография не подходит для выбранной модели. Попробуйте другой снимок или другую "
    "модель. Токены возвращены на баланс.",
)
TOO_LATE = (
    "engine_timeout",
    "Обработка заняла слишком много времени. Токены возвращены на баланс.",
)
UNAVAILABLE = (
    "engine_unavailable",
    "Сервис обработки временно недоступен. Токены возвращены на баланс. Попробуйте позже.",
)
WORDS = {"refusal": REFUSED, "input": UNREADABLE, "deadline": TOO_LATE}


@dataclass(frozen=True)
class Tried:
    """An attempt that has ended. trouble: its kind, as engines name it; cost: what it cost us."""

    model_id: UUID
    engine: str
    trouble: str
    charged: bool
    cost: Decimal
    currency: str


@dataclass(frozen=True)
class Candidate:
    """A model that could be tried, and what a run of it costs us."""

    model_id: UUID
    engine: str
    cost: Decimal
    currency: str

    @property
    def is_paid(self) -> bool:
        """Whether a run of it takes money."""
        return self.engine != EMBEDDED and self.cost > 0


@dataclass(frozen=True)
class Again:
    """Let the same model try it again, not before `after`."""

    after: timedelta


@dataclass(frozen=True)
class Elsewhere:
    """Let another model try it."""

    candidate: Candidate


@dataclass(frozen=True)
class GiveUp:
    """End the order, tokens back. code: for programs; message: Russian, for the customer."""

    code: str
    message: str


def after(
    tried: Sequence[Tried],
    current: Candidate,
    others: Sequence[Candidate],
    *,
    limits: Mapping[str, Decimal],
    closed: Collection[str],
) -> Again | Elsewhere | GiveUp:
    """What comes after the last of `tried`, an attempt of `current`.

    others: the models that may stand in, in their order. limits: what one order may cost us, by
    currency. closed: engines that take no orders now.
    """
    last = tried[-1]
    refusals = sum(each.trouble == "refusal" for each in tried)
    if last.trouble == "unclear" or refusals > 1 or len(tried) >= MOST_ATTEMPTS:
        return _given_up(last)
    if _may_repeat(tried, last, limits, current):
        return Again(AGAIN_AFTER.get(last.trouble, AGAIN_AFTER_FAILURE))
    other = elsewhere(tried, others, limits=limits, closed=closed)
    if other is not None:
        return Elsewhere(other)
    if last.trouble in ACCOUNT_CODES | {"busy"}:  # it waits until the engine is well again
        return Again(AGAIN_AFTER["credit"])
    return _given_up(last)


def elsewhere(
    tried: Sequence[Tried],
    others: Sequence[Candidate],
    *,
    limits: Mapping[str, Decimal],
    closed: Collection[str],
) -> Candidate | None:
    """The first model that may stand in: of an engine that is open and has not failed at it yet."""
    engines = {each.engine for each in tried}
    for other in others:
        if other.engine not in engines | set(closed) and is_affordable(tried, other, limits):
            return other
    return None


def is_affordable(
    tried: Sequence[Tried], candidate: Candidate, limits: Mapping[str, Decimal]
) -> bool:
    """Whether this order may still cost us a run of `candidate`."""
    if not candidate.is_paid:
        return True
    paid = [each for each in tried if each.charged]
    spent = sum((each.cost for each in paid if each.currency == candidate.currency), Decimal(0))
    limit = limits.get(candidate.currency)
    return len(paid) < MOST_PAID_ATTEMPTS and (limit is None or spent + candidate.cost <= limit)


def _may_repeat(
    tried: Sequence[Tried], last: Tried, limits: Mapping[str, Decimal], current: Candidate
) -> bool:
    here = [each for each in tried if each.engine == last.engine and each.trouble in PASSING]
    paid_here = sum(each.charged for each in here)
    return (
        last.trouble in PASSING
        and (last.trouble == "busy" or len(here) < MOST_AT_ONE_ENGINE)
        and paid_here < MOST_PAID_ATTEMPTS
        and is_affordable(tried, current, limits)
    )


def _given_up(last: Tried) -> GiveUp:
    return GiveUp(*WORDS.get(last.trouble, UNAVAILABLE))
