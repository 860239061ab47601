"""One run of a model for the operator, at our expense: without a customer, a job or an attempt.

The order is sent once, like every other: what happens to it is printed, and nothing is repeated.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from providers import registry
from providers.engine.remote import (
    Accepted,
    Downloaded,
    Gone,
    Order,
    Queued,
    RemoteEngine,
    Run,
    Running,
    Succeeded,
    Unanswered,
    Uploaded,
)
from workflows import steps

PATIENCE_SECONDS = 900


@dataclass(frozen=True)
class Trial:
    """What is tried; cost: expected, with its currency."""

    engine: str
    service_type: str
    recipe: dict[str, Any]
    cost: tuple[Decimal, str]
    prompt: str


def run(trial: Trial, photo: Path, to: Path) -> Iterator[str]:
    """Make the run and save its result in `to`; yields what happens, a line each.

    RuntimeError when there is no result; EngineError for a photo that cannot be used.
    """
    engine = registry.remote_engine(trial.engine)
    child = registry.engine(registry.EMBEDDED)
    with TemporaryDirectory() as name:
        folder = Path(name)
        prepared = child.prepare(photo, workdir=folder).path
        accepted = _order(engine, trial, prepared)
        yield f"accepted as {accepted.external_id}"
        made: Succeeded | None = None
        for state in _polls(engine, accepted, trial.service_type):
            yield str(state) if not isinstance(state, Succeeded) else f"made, cost {state.cost}"
            made = state if isinstance(state, Succeeded) else None
        if made is None:
            raise RuntimeError("there is no result")
        fetched = folder / "result"
        outcome = engine.fetch(accepted, made.file, fetched)
        if not isinstance(outcome, Downloaded):
            raise RuntimeError(f"the result cannot be fetched: {outcome}")
        media = "video" if trial.service_type == "animate" else "image"
        result = child.finish(fetched, accepted.recipe.media_type, workdir=folder)
        shutil.copyfile(result.path, to)
        yield f"{media} of {to.stat().st_size} bytes in {to}"


def _order(engine: RemoteEngine, trial: Trial, photo: Path) -> Run:
    recipe = steps.recipe(
        trial.recipe,
        service_type=trial.service_type,
        run_cost=trial.cost[0],
        currency=trial.cost[1],
    )
    attempt_id = uuid4()
    uploaded = engine.upload(attempt_id, photo)
    if not isinstance(uploaded, Uploaded):
        raise RuntimeError(f"the photo was not taken: {uploaded.problem}")
    created = engine.create(
        Order(attempt_id, recipe, uploaded.reference, trial.prompt, seed=1), photo
    )
    if not isinstance(created, Accepted):
        raise RuntimeError(f"not accepted: {created}")
    return Run(recipe, created.external_id)


def _polls(engine: RemoteEngine, run: Run, service_type: str) -> Iterator[Any]:
    """What polls show, until the end."""
    pause = engine.pace.video if service_type == "animate" else engine.pace.image
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        state = engine.poll(run)
        yield state
        if not isinstance(state, Queued | Running | Unanswered | Gone):
            return
        time.sleep(pause)
