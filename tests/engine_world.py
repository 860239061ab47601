"""Engines of providers, simulated by the sandbox, and the workers that carry jobs to them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from PIL import Image
from sqlalchemy import select, update
from sqlalchemy.orm import Session

import settings
from db import transaction
from db.models import Engine, GenerationAttempt, GenerationModel
from db.types import now
from local import sandbox
from local.processes import Child
from providers import registry
from services import remote_models
from tests import workers
from tests.factories import stored_image
from tests.payment_world import Sandbox
from tests.sandboxes import served

OPTIONS = sandbox.Options()
ENGINES = ("replicate", "fal", "polza", "comfyui")


def environ(url: str) -> dict[str, str]:
    """Settings that connect a worker or server to the engines of a sandbox."""
    return {
        "REPLICATE_API_URL": f"{url}/replicate/v1",
        "REPLICATE_API_TOKEN": OPTIONS.replicate_api_token,
        "FAL_API_URL": f"{url}/fal",
        "FAL_KEY": OPTIONS.fal_key,
        "POLZA_API_URL": f"{url}/polza/api/v1",
        "POLZA_API_KEY": OPTIONS.polza_api_key,
    }


class EngineWorld:
    """The simulated engines as the tests rule them, and what our tables say."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.environ = environ(sandbox.url)

    def script(self, engine: str, **script: Any) -> None:
        """What will become of the next run."""
        self.sandbox.control("POST", f"/{engine}/scripts", **script)

    def default(self, engine: str, **script: Any) -> None:
        """What will become of runs without a script."""
        self.sandbox.control("PUT", f"/{engine}/scripts/default", **script)

    def fault(self, engine: str, kind: str, call: str = "create", **script: Any) -> None:
        """What will happen to the next calls."""
        self.sandbox.control("POST", f"/{engine}/faults", kind=kind, call=call, **script)

    def account(self, engine: str, state: str) -> None:
        """good, no_credit or locked."""
        self.sandbox.control("PUT", f"/{engine}/account", state=state)

    def runs(self, engine: str) -> list[dict[str, Any]]:
        """What the engine has accepted, newest first."""
        accepted: list[dict[str, Any]] = self.sandbox.control("GET", f"/{engine}/runs")
        return accepted

    def calls(self, engine: str, call: str = "create") -> int:
        """How often a call was received, accepted or not."""
        counted: int = self.sandbox.control("GET", f"/{engine}/counters")["calls"].get(call, 0)
        return counted

    @contextmanager
    def worker(self, *arguments: str, quick: bool = True, **changes: str) -> Iterator[Child]:
        """A worker process during the block, see start_worker; killed after it."""
        process = self.start_worker(*arguments, quick=quick, **changes)
        try:
            yield process
        finally:
            process.kill()
            print(process.said())  # seen when the test fails

    def start_worker(self, *arguments: str, quick: bool = True, **changes: str) -> Child:
        """A worker process connected to the engines; whoever starts it ends it.

        quick: its child processes take no time, and it looks for lost orders within seconds; with
        the argument --usual-pace it polls as seldom as the real one.
        """
        module = "lab.chaos.quick_worker" if quick else "worker"
        environ = {"LOG_LEVEL": "WARNING", **self.environ, **changes}
        return workers.start_worker(settings.load().state_dir, *arguments, module=module, **environ)


@contextmanager
def engine_sandbox() -> Iterator[Sandbox]:
    """A fresh sandbox."""
    with served(sandbox.create_app()) as url:
        yield Sandbox(url)


def offer(*names: str) -> dict[str, UUID]:
    """Put exactly these models of providers on offer; returns their ids."""
    remote = GenerationModel.engine != "embedded"
    with transaction() as session:
        session.execute(update(GenerationModel).where(remote).values(active=False))
        session.execute(
            update(GenerationModel).where(GenerationModel.name.in_(names)).values(active=True)
        )
        rows = session.execute(
            select(GenerationModel.name, GenerationModel.id).where(GenerationModel.name.in_(names))
        )
        return {row.name: row.id for row in rows}


def reset_engines() -> None:
    """Well engines with their limits, and no model of theirs on offer."""
    with transaction() as session:
        for row in remote_models.engines():
            wanted = {
                **row,
                **dict.fromkeys(("open_until", "open_code")),
                "open_detail": "",
                "trips": 0,
                "recent": "",
            }
            session.execute(update(Engine).where(Engine.name == row["name"]).values(**wanted))
    offer()


def model(session: Session, name: str) -> GenerationModel:
    """The model of this name, to be changed."""
    return session.scalars(select(GenerationModel).where(GenerationModel.name == name)).one()


def in_seconds(seconds: float) -> datetime:
    """A moment from now."""
    return now() + timedelta(seconds=seconds)


def stored_photo(content: bytes | None = None) -> Any:
    """A confirmed photo whose bytes are in storage."""
    if content is None:
        file = io.BytesIO()
        Image.new("RGB", (400, 500), (120, 90, 60)).save(file, "JPEG")
        content = file.getvalue()
    return stored_image(content)


def attempts_of(job_id: UUID) -> list[Any]:
    """The attempts at a job, in their order."""
    with transaction() as session:
        return list(
            session.scalars(
                select(GenerationAttempt)
                .where(GenerationAttempt.job_id == job_id)
                .order_by(GenerationAttempt.number)
            )
        )


def connect(monkeypatch: Any, world: EngineWorld) -> None:
    """Connect this process to the engines of a world."""
    for name, value in world.environ.items():
        monkeypatch.setenv(name, value)
    reread_settings()


def reread_settings() -> None:
    """Forget what this process was connected to."""
    settings.load.cache_clear()
    registry.remote_engine.cache_clear()
