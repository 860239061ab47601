"""One cheap run at each real service, for whoever gives a key: it costs a few cents.

    LIVE_REPLICATE_API_TOKEN, LIVE_FAL_KEY, LIVE_POLZA_API_KEY, LIVE_COMFYUI_URL (with
    LIVE_COMFYUI_RECIPE, the path of a graph in API format that has {photo} in it)

The names differ from those of the settings, so that no test spends money by accident.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest

from providers.engine.remote import (
    Accepted,
    Downloaded,
    Order,
    Price,
    Queued,
    Recipe,
    RemoteEngine,
    Run,
    Running,
    Succeeded,
    Unanswered,
    Uploaded,
)
from providers.engine.remote.comfyui import ComfyUiEngine
from providers.engine.remote.fal import FalEngine
from providers.engine.remote.polza import PolzaEngine
from providers.engine.remote.replicate import ReplicateEngine
from settings import Settings

CAPS = {"USD": Decimal("0.10"), "RUB": Decimal(10)}
PATIENCE_SECONDS = 150
Case = tuple[str, Callable[[str], RemoteEngine], Callable[[], Recipe]]


def _graph() -> Recipe:
    text = Path(os.environ["LIVE_COMFYUI_RECIPE"]).read_text("utf-8")
    return Recipe("live", "image", json.loads(text), Price(Decimal(0), "USD"))


CASES: dict[str, Case] = {
    "replicate": (
        "LIVE_REPLICATE_API_TOKEN",
        lambda key: ReplicateEngine(Settings.replicate_api_url, key),
        lambda: Recipe(
            "flux-kontext-apps/restore-image",
            "image",
            {"input_image": "{photo}", "output_format": "jpg"},
            Price(Decimal("0.04"), "USD"),
        ),
    ),
    "fal": (
        "LIVE_FAL_KEY",
        lambda key: FalEngine(Settings.fal_api_url, key),
        lambda: Recipe(
            "fal-ai/image-editing/photo-restoration",
            "image",
            {"image_url": "{photo}"},
            Price(Decimal("0.04"), "USD"),
        ),
    ),
    "polza": (
        "LIVE_POLZA_API_KEY",
        lambda key: PolzaEngine(Settings.polza_api_url, key),
        lambda: Recipe(
            "google/gemini-2.5-flash-image",
            "image",
            {
                "prompt": "Restore this old photo",
                "images": [{"type": "base64", "data": "{photo}"}],
            },
            Price(Decimal(5), "RUB"),
        ),
    ),
    "comfyui": ("LIVE_COMFYUI_URL", ComfyUiEngine, _graph),
}


@pytest.mark.timeout(PATIENCE_SECONDS + 120)
@pytest.mark.parametrize("name", CASES)
def test_the_real_service_takes_an_order_and_gives_a_picture(
    name: str, prepared: Path, tmp_path: Path
) -> None:
    variable, build, how = CASES[name]
    if not (key := os.environ.get(variable)):
        pytest.skip(f"{variable} is not set: a run would cost money")
    engine, recipe = build(key), how()
    estimate = recipe.price.estimate()
    assert estimate.amount <= CAPS[estimate.currency], "over the cap of this test"
    health = engine.health()
    assert health.problem is None, health
    attempt = uuid4()
    uploaded = engine.upload(attempt, prepared)
    assert isinstance(uploaded, Uploaded), uploaded
    order = Order(attempt, recipe, uploaded.reference, run_seconds=120)
    created = engine.create(order, prepared)
    assert isinstance(created, Accepted), created
    run = Run(recipe, created.external_id)
    deadline = time.monotonic() + PATIENCE_SECONDS
    seen = engine.poll(run)
    while isinstance(seen, Queued | Running | Unanswered):
        if time.monotonic() > deadline:
            engine.cancel(run)
            pytest.fail(f"no result in {PATIENCE_SECONDS} s: {seen}")
        time.sleep(engine.pace.image)
        seen = engine.poll(run)
    assert isinstance(seen, Succeeded), seen
    fetched = engine.fetch(run, seen.file, tmp_path / "result")
    assert isinstance(fetched, Downloaded), fetched
    print(name, fetched, seen.cost)
