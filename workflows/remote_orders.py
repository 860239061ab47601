"""Orders at providers: sent once, and looked for when their answer was lost."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from pathlib import Path

from db import reading, transaction
from errors import ApiError
from providers.engine import EngineError
from providers.engine.remote import (
    Absent,
    Accepted,
    Ambiguous,
    Charged,
    Create,
    Problem,
    RemoteEngine,
    Run,
    Trouble,
    Unclear,
    Uploaded,
)
from providers.fetch import FetchFailed, FetchRefused
from providers.storage import ObjectMissing, StorageUnavailable
from services import attempts, outcomes
from services.attempt_rows import Attempt
from services.attempts import Ending
from workflows import engine_files, engine_trouble, steps
from workflows.engine_trouble import facts_of
from workflows.steps import Step

log = logging.getLogger(__name__)

RETRY = timedelta(seconds=10)
MOST_CLAIMS = 5  # of an attempt whose photo cannot be prepared
SENT_WITHIN_SECONDS = 10.0  # of the commit that says so; a lost order is looked for after 30
GONE_TEXT = "Файл с фото больше не доступен. Токены возвращены на баланс."


def order(engine: RemoteEngine, attempt: Attempt, step: Step) -> None:
    """Prepare and upload the photo, commit that the order is about to be sent, and send it."""
    photo = _photo(attempt, step)
    if photo is None:
        return
    uploaded = engine.upload(attempt.id, photo)
    if not isinstance(uploaded, Uploaded):
        engine_trouble.end(attempt, uploaded.problem, step.clock(), charged=Charged.NO)
        return
    try:
        wanted = steps.order_of(attempt, uploaded.reference)
    except (ValueError, KeyError) as error:
        problem = Problem(Trouble.CONFIG, "recipe", repr(error))
        engine_trouble.end(attempt, problem, step.clock(), charged=Charged.NO)
        return
    begun = time.monotonic(), time.time()
    with transaction() as session:
        if not attempts.send(session, attempt, photo=uploaded.reference):
            return
    if max(time.monotonic() - begun[0], time.time() - begun[1]) > SENT_WITHIN_SECONDS:
        # This machine stood still: another worker may already be looking for the order in vain.
        log.error("order not sent: the worker was suspended", extra=facts_of(attempt))
        return
    # From here on it may be running, and only find() can tell, unless there is an answer.
    _settle(engine, attempt, engine.create(wanted, photo), step)


def doubt(engine: RemoteEngine, attempt: Attempt, step: Step) -> None:
    """The worker that sent the order has gone silent: nobody knows whether it was accepted."""
    with transaction() as session:
        attempts.doubt(
            session,
            attempt.id,
            after=steps.first_look(attempt, engine.pace),
            detail="the worker that sent the order has gone",
        )
    log.warning("unknown whether the order was accepted", extra=facts_of(attempt))


def look(engine: RemoteEngine, attempt: Attempt, step: Step) -> None:
    """Look for an order whose answer was lost, until it is found or surely not there."""
    if attempt.sent_at is None or attempt.photo is None:
        raise ValueError("an order that was never sent is not looked for")
    with reading() as reader:
        known = attempts.other_ids(reader, attempt)
        twin = not engine.finds_by_mark and attempts.has_lost_twin(reader, attempt)
    wanted = steps.order_of(attempt, attempt.photo)
    sent_at = steps.sent_by_our_clock(attempt, step)
    found = engine.find(wanted, sent_at=sent_at, known_ids=known)
    if isinstance(found, Accepted) and twin:
        problem = Problem(Trouble.INFRASTRUCTURE, "lost_twins", "two lost orders look the same")
        found = Unclear(problem, (found.external_id,))
    if isinstance(found, Accepted):
        _accept(engine, attempt, found.external_id, step)
        return
    later = steps.next_look(attempt, engine.pace)
    if later is not None:
        with transaction() as session:
            attempts.look_again(session, attempt, after=later)
    elif isinstance(found, Absent):
        problem = Problem(Trouble.INFRASTRUCTURE, "absent", "the provider lists no such run")
        _close(attempt, problem, "absent", Charged.NO, step)
    else:
        runs = f"perhaps {', '.join(found.candidates)}" if found.candidates else "no candidates"
        cause = found.problem
        problem = Problem(cause.trouble, cause.code, f"{cause.detail} ({runs})")
        _close(attempt, problem, "unclear", Charged.MAYBE, step)


def _close(attempt: Attempt, problem: Problem, trouble: str, charged: Charged, step: Step) -> None:
    """End an attempt that was looked for in vain; one to be cancelled is simply over."""
    if attempt.state != "cancelling":
        engine_trouble.end(attempt, problem, step.clock(), charged=charged, trouble=trouble)
        return
    ending = Ending("canceled", charged, trouble=trouble, detail=problem.detail)
    with transaction() as session:
        attempts.end(session, attempt, ending, states=("cancelling",))
    if charged is not Charged.NO:
        log.error("an order that was cancelled may be charged", extra=facts_of(attempt))


def _photo(attempt: Attempt, step: Step) -> Path | None:
    """The photo to upload; None when there will be none, which the attempt then says."""
    try:
        return engine_files.photo_of(attempt, step)
    except FetchRefused as error:
        _refuse(attempt, step, error.code, error.message)
    except EngineError as error:
        if not error.retryable or attempt.claims >= MOST_CLAIMS:
            _refuse(attempt, step, error.code, f"{error.message} Токены возвращены на баланс.")
        else:
            _try_later(attempt, step, error)
    except ObjectMissing:
        _refuse(attempt, step, "input_gone", GONE_TEXT)
    except (StorageUnavailable, FetchFailed, OSError) as error:
        _try_later(attempt, step, error)
    except ApiError as error:
        if error.code != "data_not_found":
            raise
        _refuse(attempt, step, "input_gone", GONE_TEXT)
    return None


def _try_later(attempt: Attempt, step: Step, error: Exception) -> None:
    stopped = isinstance(error, EngineError) and error.code == "stopped"
    with transaction() as session:
        attempts.release(session, attempt, after=timedelta(0) if stopped else RETRY)
    log.warning("attempt will be prepared again: %s", error, extra=facts_of(attempt))


def _refuse(attempt: Attempt, step: Step, code: str, message: str) -> None:
    with transaction() as session:
        outcomes.refuse(session, attempt, code=code, message=message, now=step.clock())
    log.info("attempt ended before it was ordered: %s", code, extra=facts_of(attempt))


def _settle(engine: RemoteEngine, attempt: Attempt, created: Create, step: Step) -> None:
    """Commit what became of an order that was just sent."""
    if isinstance(created, Accepted):
        _accept(engine, attempt, created.external_id, step)
    elif isinstance(created, Ambiguous):
        with transaction() as session:
            attempts.doubt(
                session,
                attempt.id,
                after=steps.first_look(attempt, engine.pace),
                detail=f"{created.problem.code}: {created.problem.detail}",
            )
        engine_trouble.note(attempt.engine, created.problem, step.clock())
        log.warning("unknown whether the order was accepted", extra=facts_of(attempt))
    else:
        engine_trouble.end(attempt, created.problem, step.clock(), charged=Charged.NO)


def _accept(engine: RemoteEngine, attempt: Attempt, external_id: str, step: Step) -> None:
    after = steps.next_poll(attempt, engine.pace, step)
    with transaction() as session:
        accepted = attempts.accept(session, attempt.id, external_id=external_id, after=after)
    facts = facts_of(attempt) | {"external_id": external_id}
    if accepted:
        log.info("order accepted", extra=facts)
        engine_trouble.note_accepted(attempt.engine, step.clock())
        return
    with reading() as reader:
        is_dead = attempts.is_dead(reader, attempt.id)
    if is_dead:
        engine.cancel(Run(steps.recipe_of(attempt), external_id))
        log.error("order accepted too late and cancelled; it may be charged", extra=facts)
