"""What trouble with an engine does: to its breaker, to the operator's log, and to the attempt."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from db import transaction
from providers.engine.remote import ACCOUNT_TROUBLE, Charged, Money, Problem, Trouble
from services import breakers, outcomes
from services.attempt_rows import Attempt
from services.attempts import Ending
from services.fallbacks import Again, Elsewhere

log = logging.getLogger(__name__)

BUSY_SECONDS = 15.0  # when the provider does not say
MILLIONTH, MOST_COST = Decimal("0.000001"), Decimal(1_000_000)


def note(engine: str, problem: Problem, moment: datetime) -> None:
    """Let the engine's breaker know, and the operator if that opened it.

    What is wrong with a photo or with one model is not trouble of the engine.
    """
    detail = f"{problem.code}: {problem.detail}"
    facts = {"engine": engine, "trouble": problem.trouble, "code": problem.code}
    if problem.trouble in ACCOUNT_TROUBLE:
        with transaction() as session:
            news = breakers.locked_out(
                session, engine, now=moment, code=problem.trouble, detail=detail
            )
        if news:
            log.error("engine %s takes no orders, fix its account: %s", engine, detail, extra=facts)
    elif problem.trouble is Trouble.BUSY:
        silence = timedelta(seconds=problem.retry_after or BUSY_SECONDS)
        with transaction() as session:
            breakers.pause(session, engine, until=moment + silence, code=breakers.BUSY)
    elif problem.trouble is Trouble.INFRASTRUCTURE:
        with transaction() as session:
            opened = breakers.failed(session, engine, now=moment, detail=detail)
        if opened:
            log.error("engine %s paused after repeated failures", engine, extra=facts)


def note_accepted(engine: str, moment: datetime) -> None:
    """Let the engine's breaker know that an order was accepted."""
    with transaction() as session:
        breakers.succeeded(session, engine, now=moment)


def end(
    attempt: Attempt,
    problem: Problem,
    moment: datetime,
    *,
    charged: Charged,
    cost: Money | None = None,
    trouble: str | None = None,
) -> None:
    """End an attempt without a result, and let its job go on as the rules of fallback say.

    trouble: another word for it than the problem's, one that services/fallbacks.py knows.
    """
    note(attempt.engine, problem, moment)
    ending = Ending(
        "refused" if problem.trouble is Trouble.REFUSAL else "failed",
        charged,
        cost=amount(cost),
        trouble=trouble or problem.trouble,
        code=problem.code,
        detail=problem.detail,
    )
    with transaction() as session:
        step = outcomes.fail(session, attempt, ending, now=moment)
    if step is None:
        return
    how = "again" if isinstance(step, Again) else "elsewhere" if isinstance(step, Elsewhere) else ""
    facts = {"trouble": ending.trouble, "code": problem.code, "charged": charged}
    log.warning("attempt failed, %s", how or "its job ends", extra=facts | facts_of(attempt))
    if ending.trouble in (Trouble.CONFIG, "unclear"):
        log.error(
            "the operator must look at attempt %s of model %s: %s %s",
            attempt.id,
            attempt.model,
            problem.code,
            problem.detail,
            extra=facts_of(attempt),
        )


def amount(cost: Money | None) -> Decimal | None:
    """What is stored of a cost; None, so that the estimate counts, for one that can be no bill."""
    if cost is None or not 0 <= cost.amount <= MOST_COST:
        return None
    return cost.amount.quantize(MILLIONTH)


def facts_of(attempt: Attempt) -> dict[str, Any]:
    """For the log."""
    return {
        "attempt_id": str(attempt.id),
        "job_id": str(attempt.job_id),
        "engine": attempt.engine,
        "model": attempt.model,
        "external_id": attempt.external_id,
    }
