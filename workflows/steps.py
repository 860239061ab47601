"""What steps of an attempt share: what they need, when the next one is due, what is ordered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from db.types import now
from providers.engine.remote import Order, Pace, Price, Recipe, Run
from services.attempt_rows import Attempt

LATE_AFTER = timedelta(minutes=2)  # of a run, from when on it is polled less often
JITTER = 0.2
LONGEST_ESTIMATE = 90  # percent, while a provider tells none


@dataclass(frozen=True)
class Step:
    """What a step needs besides its attempt. folder: empty, for the files of this step.

    clock: for breakers; everything about an attempt goes by the database's, see Attempt.
    """

    folder: Path
    chance: Random
    should_stop: Callable[[], bool] = lambda: False
    clock: Callable[[], datetime] = now

    def jittered(self, seconds: float) -> timedelta:
        """About so long, so that polls spread."""
        return timedelta(seconds=seconds * self.chance.uniform(1 - JITTER, 1 + JITTER))


def next_poll(attempt: Attempt, pace: Pace, step: Step) -> timedelta:
    """How long a run is left alone."""
    since = _age(attempt)
    usual = pace.video if attempt.service_type == "animate" else pace.image
    return step.jittered(pace.late if since > LATE_AFTER else usual)


def next_look(attempt: Attempt, pace: Pace) -> timedelta | None:
    """How long until a lost order is looked for the next time; None when it is not any more."""
    return _until_look(attempt, pace, attempt.looks + 1)


def first_look(attempt: Attempt, pace: Pace) -> timedelta:
    """How long until a lost order is looked for the first time."""
    return _until_look(attempt, pace, 0) or timedelta(0)


def sent_by_our_clock(attempt: Attempt, step: Step) -> datetime:
    """When an order was sent, by the clock of this machine, which adapters compare with theirs."""
    return step.clock() - _age(attempt)


def estimated_progress(attempt: Attempt) -> int:
    """Percent of a run whose provider tells none: half after its usual time, never all."""
    since = _age(attempt).total_seconds()
    return int(LONGEST_ESTIMATE * since / (since + attempt.usual_seconds)) if since > 0 else 0


def recipe_of(attempt: Attempt) -> Recipe:
    """How its model is run. ValueError or KeyError for a row that is no recipe."""
    return recipe(
        attempt.recipe,
        service_type=attempt.service_type,
        run_cost=attempt.cost_estimate,
        currency=attempt.currency,
    )


def recipe(
    written: dict[str, Any], *, service_type: str, run_cost: Decimal, currency: str
) -> Recipe:
    """A recipe as it is stored with a model (services/models.py).

    ValueError or KeyError for what is none.
    """
    price = written.get("price", {})
    return Recipe(
        model=written["model"],
        media_type="video" if service_type == "animate" else "image",
        template=written["template"],
        price=Price(
            Decimal(str(price.get("amount", run_cost))),
            currency,
            price.get("measure", "run"),
            Decimal(str(price.get("expected", 1))),
        ),
        version=written.get("version", ""),
        extra=written.get("extra", {}),
        output=written.get("output", ""),
    )


def order_of(attempt: Attempt, photo: str) -> Order:
    """What is ordered from the provider; `photo` is the upload's reference."""
    left = (attempt.deadline_at - attempt.claimed_at).total_seconds()
    return Order(
        attempt_id=attempt.id,
        recipe=recipe_of(attempt),
        photo=photo,
        prompt=attempt.prompt,
        seed=attempt.seed,
        run_seconds=max(1, int(left)),
    )


def run_of(attempt: Attempt) -> Run:
    """What the provider has accepted."""
    return Run(recipe_of(attempt), attempt.external_id or "")


def _age(attempt: Attempt) -> timedelta:
    """How long ago the order was sent; 0 if it is being sent in this step."""
    return attempt.claimed_at - (attempt.sent_at or attempt.claimed_at)


def _until_look(attempt: Attempt, pace: Pace, look: int) -> timedelta | None:
    if look >= len(pace.find_seconds):
        return None
    return max(timedelta(seconds=pace.find_seconds[look]) - _age(attempt), timedelta(0))
