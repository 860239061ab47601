"""One step of an attempt at a provider: order, poll, fetch, cancel, or look for a lost order.

Each step commits what it intends, calls, and commits what came back. A worker that dies in between
leaves an attempt that is due again; only an order whose answer was lost is not sent a second time
but looked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from db import transaction
from providers import registry
from providers.engine import EngineError
from providers.engine.remote import (
    Canceled,
    Charged,
    Downloaded,
    Failed,
    Gone,
    Poll,
    Problem,
    Queued,
    RemoteEngine,
    RemoteFile,
    Running,
    Succeeded,
    Trouble,
    Unanswered,
)
from providers.storage import StorageUnavailable
from services import attempts, outcomes
from services.attempt_rows import Attempt
from services.attempts import Ending
from workflows import engine_files, engine_trouble, remote_orders, steps
from workflows.engine_trouble import facts_of
from workflows.steps import Step

log = logging.getLogger(__name__)

RETRY = timedelta(seconds=10)
UNCONNECTED = timedelta(seconds=60)
CANCEL_GRACE = timedelta(minutes=45)  # longer than a lost order is looked for
MOST_CRASHES = 2  # of the child that makes a result sendable


def advance(attempt: Attempt, step: Step) -> None:
    """Do the one step that an attempt is due for. ApiError when the database is unavailable."""
    if attempt.state != "cancelling" and _is_over(attempt, step):
        return
    try:
        engine = registry.remote_engine(attempt.engine)
    except EngineError as error:
        _wait_for_engine(attempt, error)
        return
    _STEPS[attempt.state](engine, attempt, step)


def _is_over(attempt: Attempt, step: Step) -> bool:
    """Whether nobody waits for it any more: its job has ended, or it is out of time."""
    if attempt.is_awaited and attempt.deadline_at > attempt.claimed_at:
        return False
    with transaction() as session:
        outcomes.overtime(session, attempt, now=step.clock())
    log.warning("attempt abandoned: its job or its time has ended", extra=facts_of(attempt))
    return True


def _wait_for_engine(attempt: Attempt, error: EngineError) -> None:
    """Its key was taken out of the settings: it may come back, until the attempt is out of time."""
    if attempt.state == "cancelling" and _out_of_grace(attempt):
        _end_cancelled(attempt, Ending("canceled", "maybe", detail=error.detail))
        return
    with transaction() as session:
        attempts.release(session, attempt, after=UNCONNECTED)
    log.error("attempt waits for its engine: %s", error.detail, extra=facts_of(attempt))


def _poll(engine: RemoteEngine, attempt: Attempt, step: Step) -> None:
    state = engine.poll(steps.run_of(attempt))
    match state:
        case Succeeded(file, cost):
            with transaction() as session:
                attempts.receive(
                    session, attempt, result=file.address, cost=engine_trouble.amount(cost)
                )
        case Failed(problem, charged, cost):
            engine_trouble.end(attempt, problem, step.clock(), charged=charged, cost=cost)
        case Canceled(charged):
            problem = Problem(Trouble.NO_RESULT, "canceled")
            engine_trouble.end(attempt, problem, step.clock(), charged=charged, trouble="deadline")
        case Gone(problem) if attempt.missing + 1 >= engine.pace.gone_polls:
            engine_trouble.end(attempt, problem, step.clock(), charged=Charged.MAYBE)
        case _:
            _wait(engine, attempt, state, step)


def _wait(engine: RemoteEngine, attempt: Attempt, state: Poll, step: Step) -> None:
    """Ask again later, and store what is known now."""
    after = steps.next_poll(attempt, engine.pace, step)
    progress = attempt.progress
    if isinstance(state, Queued | Running):
        percent = state.percent if isinstance(state, Running) else None
        progress = steps.estimated_progress(attempt) if percent is None else percent
    elif isinstance(state, Unanswered) and state.problem.retry_after:
        after = max(after, timedelta(seconds=state.problem.retry_after))
    missing = attempt.missing + 1 if isinstance(state, Gone) else 0
    with transaction() as session:
        attempts.observe(session, attempt, after=after, progress=progress, missing=missing)


def _fetch(engine: RemoteEngine, attempt: Attempt, step: Step) -> None:
    target = step.folder / "result"
    fetched = engine.fetch(steps.run_of(attempt), RemoteFile(attempt.result or ""), target)
    match fetched:
        case Failed(problem, charged, cost):
            engine_trouble.end(attempt, problem, step.clock(), charged=charged, cost=cost)
        case Unanswered(problem):
            after = max(RETRY, timedelta(seconds=problem.retry_after or 0))
            with transaction() as session:
                attempts.release(session, attempt, after=after)
        case Downloaded(_, size) if size > attempt.max_result_bytes:
            problem = Problem(Trouble.NO_RESULT, "too_large", f"{size} bytes")
            engine_trouble.end(attempt, problem, step.clock(), charged=Charged.YES)
        case _:
            _finish(attempt, step)


def _finish(attempt: Attempt, step: Step) -> None:
    """Make the fetched file sendable, store it, and end the job with it."""
    try:
        result = engine_files.finished(attempt, step.folder / "result", step)
        done = engine_files.store(attempt, result)
    except EngineError as error:
        if error.retryable and attempt.missing < MOST_CRASHES:
            with transaction() as session:
                attempts.observe(session, attempt, after=RETRY, missing=attempt.missing + 1)
            return
        problem = Problem(Trouble.NO_RESULT, error.code, error.detail)
        engine_trouble.end(attempt, problem, step.clock(), charged=Charged.YES)
    except (StorageUnavailable, OSError) as error:
        with transaction() as session:
            attempts.release(session, attempt, after=RETRY)
        log.warning("result will be fetched again: %s", error, extra=facts_of(attempt))
    else:
        log.info("attempt %s", "done" if done else "dropped", extra=facts_of(attempt))


def _cancel(engine: RemoteEngine, attempt: Attempt, step: Step) -> None:
    """Stop what nobody waits for, and note what it has cost."""
    if attempt.external_id is None:
        remote_orders.look(engine, attempt, step)
        return
    run = steps.run_of(attempt)
    unseen = "yes" if attempt.result else "maybe"  # a result was there before
    engine.cancel(run)
    match engine.poll(run):
        case Succeeded(_, cost):
            ending = Ending("canceled", "yes", cost=engine_trouble.amount(cost))
        case Failed(problem, charged, cost):
            amount = engine_trouble.amount(cost)
            ending = Ending("canceled", charged, cost=amount, code=problem.code)
        case Canceled(charged):
            ending = Ending("canceled", charged)
        case Gone() if attempt.missing + 1 >= engine.pace.gone_polls:
            ending = Ending("canceled", unseen, detail="the provider does not know it")
        case state if not _out_of_grace(attempt):
            _wait(engine, attempt, state, step)
            return
        case _:
            ending = Ending("canceled", unseen, detail="it did not stop")
    _end_cancelled(attempt, ending)


def _end_cancelled(attempt: Attempt, ending: Ending) -> None:
    with transaction() as session:
        ended = attempts.end(session, attempt, ending, states=("cancelling",))
    if ended:
        facts = facts_of(attempt) | {"charged": ending.charged}
        log.info("attempt is cancelled", extra=facts)


def _out_of_grace(attempt: Attempt) -> bool:
    return attempt.claimed_at > attempt.deadline_at + CANCEL_GRACE


_STEPS: dict[str, Callable[[RemoteEngine, Attempt, Step], None]] = {
    "preparing": remote_orders.order,
    "creating": remote_orders.doubt,
    "unknown": remote_orders.look,
    "running": _poll,
    "fetching": _fetch,
    "cancelling": _cancel,
}
