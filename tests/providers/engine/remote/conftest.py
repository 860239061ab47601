"""Each adapter with its sandbox, a recipe that the sandbox knows, and a photo."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import pytest
from PIL import Image

from local.sandbox import Options
from providers.engine.remote import (
    Accepted,
    Order,
    Poll,
    Price,
    Recipe,
    RemoteEngine,
    Run,
    Succeeded,
    Uploaded,
)
from providers.engine.remote.comfyui import ComfyUiEngine
from providers.engine.remote.fal import FalEngine
from providers.engine.remote.polza import PolzaEngine
from providers.engine.remote.replicate import ReplicateEngine
from providers.http import Patience
from tests.payment_world import Sandbox, payment_sandbox

KEYS = Options(comfyui_header="X-Proxy-Key: let-me-in")
WRONG_KEYS = Options(replicate_api_token="r8_x", fal_key="x:y", polza_api_key="pza_x")
HEADER = ("X-Proxy-Key", "let-me-in")
# Short, yet longer than a machine at its limits lets a thread wait.
QUICK = Patience(
    connect_seconds=1, read_seconds=1.5, total_seconds=4, first_pause_seconds=0.01, at_once=8
)
PATHS = {
    "replicate": "/replicate/v1",
    "fal": "/fal",
    "polza": "/polza/api/v1",
    "comfyui": "/comfyui",
}
CURRENCY = {"replicate": "USD", "fal": "USD", "polza": "RUB", "comfyui": "USD"}

_GRAPH = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "{photo}"}},
    "2": {
        "class_type": "WanImageToVideo",
        "inputs": {"start_image": ["1", 0], "positive": "{prompt}", "seed": "{seed}"},
    },
    "3": {"class_type": "SaveVideo", "inputs": {"video": ["2", 0], "filename_prefix": "a"}},
}
_STILL = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "{photo}"}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "a"}},
}
# name: (model, template), first of an animation, then of a restoration.
MODELS: dict[str, tuple[tuple[str, Any], tuple[str, Any]]] = {
    "replicate": (
        ("kwaivgi/kling-v2.5-turbo-pro", {"prompt": "{prompt}", "start_image": "{photo}"}),
        ("flux-kontext-apps/restore-image", {"input_image": "{photo}"}),
    ),
    "fal": (
        (
            "fal-ai/kling-video/v2.5-turbo/standard/image-to-video",
            {"prompt": "{prompt}", "image_url": "{photo}", "duration": "5"},
        ),
        ("fal-ai/image-editing/photo-restoration", {"image_url": "{photo}"}),
    ),
    "polza": (
        (
            "kling/v2.5-turbo",
            {"prompt": "{prompt}", "images": [{"type": "base64", "data": "{photo}"}]},
        ),
        (
            "google/gemini-2.5-flash-image",
            {"prompt": "Restore", "images": [{"type": "base64", "data": "{photo}"}]},
        ),
    ),
    "comfyui": (("wan", _GRAPH), ("still", _STILL)),
}


def recipe(name: str, media: Literal["video", "image"] = "video", **changes: Any) -> Recipe:
    """A recipe of this engine."""
    model, template = MODELS[name][media == "image"]
    made = Recipe(model, media, template, Price(Decimal("0.35"), CURRENCY[name]))
    return replace(made, **changes)


def engine(name: str, url: str, *, good_key: bool = True, **more: Any) -> RemoteEngine:
    """An adapter to the sandbox at `url`, or to anything else that listens there."""
    options: dict[str, Any] = {"patience": QUICK} | more
    key = KEYS if good_key else WRONG_KEYS
    base_url = url + PATHS[name]
    if name == "replicate":
        return ReplicateEngine(base_url, key.replicate_api_token, **options)
    if name == "fal":
        return FalEngine(base_url, key.fal_key, **options)
    if name == "polza":
        return PolzaEngine(base_url, key.polza_api_key, **options)
    return ComfyUiEngine(base_url, HEADER if good_key else ("X-Proxy-Key", "no"), **options)


@dataclass
class EngineWorld:
    """An adapter, the sandbox it talks to, and a photo."""

    name: str
    engine: RemoteEngine
    sandbox: Sandbox
    photo: Path

    def control(self, verb: str, path: str, **body: Any) -> Any:
        """A control of this engine."""
        return self.sandbox.control(verb, f"/{self.name}{path}", **body)

    def script(self, **script: Any) -> None:
        """What will become of the next run."""
        self.control("POST", "/scripts", **script)

    def fault(self, kind: str, call: str = "create", **script: Any) -> None:
        """What will happen to the next calls."""
        self.control("POST", "/faults", kind=kind, call=call, **script)

    def wait(self, seconds: float) -> None:
        """Let the sandbox's time pass."""
        self.sandbox.control("POST", "/clock", advance_seconds=seconds)

    @property
    def counters(self) -> dict[str, Any]:
        """What the sandbox has counted."""
        counted: dict[str, Any] = self.control("GET", "/counters")
        return counted

    @property
    def creates(self) -> int:
        """Runs that the sandbox has accepted, and would charge."""
        return int(self.counters["creates"])

    def order(self, media: Literal["video", "image"] = "video", **changes: Any) -> Order:
        """An order whose photo has been uploaded."""
        attempt = uuid4()
        uploaded = self.engine.upload(attempt, self.photo)
        assert isinstance(uploaded, Uploaded), uploaded
        wanted: dict[str, Any] = {"recipe": recipe(self.name, media), "prompt": "waves", "seed": 7}
        return Order(attempt, photo=uploaded.reference, **(wanted | changes))

    def start(self, media: Literal["video", "image"] = "video", **script: Any) -> Run:
        """An accepted run that will follow a script."""
        self.script(**script)
        order = self.order(media)
        outcome = self.engine.create(order, self.photo)
        assert isinstance(outcome, Accepted), outcome
        return Run(order.recipe, outcome.external_id)

    def finish(self, media: Literal["video", "image"] = "video", **script: Any) -> tuple[Run, Poll]:
        """A run with this script, and what is polled when its time has passed."""
        run = self.start(media, run_seconds=5, **script)
        self.wait(6)
        return run, self.engine.poll(run)

    def succeed(
        self, media: Literal["video", "image"] = "video", **script: Any
    ) -> tuple[Run, Succeeded]:
        """A run that has succeeded."""
        run, seen = self.finish(media, **script)
        assert isinstance(seen, Succeeded), seen
        return run, seen

    def now(self) -> datetime:
        """The sandbox's time."""
        return datetime.fromisoformat(
            self.sandbox.control("POST", "/clock", advance_seconds=0)["now"]
        )


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo as engines get it; noisy, so that it is not tiny."""
    path = tmp_path_factory.mktemp("prepared") / "photo.jpg"
    chance = random.Random(5)
    image = Image.new("RGB", (480, 360))
    image.putdata([(chance.randrange(256), x % 256, x // 480) for x in range(480 * 360)])
    image.save(path, quality=92)
    return path


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with payment_sandbox(KEYS) as opened:
        yield opened


@pytest.fixture(params=sorted(PATHS))
def world(request: pytest.FixtureRequest, sandbox: Sandbox, prepared: Path) -> EngineWorld:
    """Every adapter in turn."""
    return EngineWorld(request.param, engine(request.param, sandbox.url), sandbox, prepared)


def utc() -> datetime:
    """Now."""
    return datetime.now(UTC)
