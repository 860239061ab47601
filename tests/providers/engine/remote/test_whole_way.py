"""From what people send to what Telegram shows, with a real engine's protocol in the middle."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from uuid import uuid4

import imageio_ffmpeg
import pytest
from PIL import Image

from providers.engine import EngineError
from providers.engine.embedded import EmbeddedEngine, finish
from providers.engine.remote import (
    Accepted,
    Downloaded,
    Order,
    Recipe,
    Run,
    Succeeded,
    Uploaded,
)
from tests.providers.engine.remote.conftest import EngineWorld, recipe

SAMPLES = Path(__file__).parents[4] / "local/samples"


def run(world: EngineWorld, photo: Path, how: Recipe, target: Path) -> None:
    """The photo's way through the engine, to a file at `target`."""
    attempt = uuid4()
    uploaded = world.engine.upload(attempt, photo)
    assert isinstance(uploaded, Uploaded)
    order = Order(attempt, how, uploaded.reference, prompt="Оживи")
    created = world.engine.create(order, photo)
    assert isinstance(created, Accepted)
    started = Run(how, created.external_id)
    seen = world.engine.poll(started)
    assert isinstance(seen, Succeeded), seen
    assert isinstance(world.engine.fetch(started, seen.file, target), Downloaded)


@pytest.mark.parametrize(
    ("sample", "media"),
    [("portrait.heic", "video"), ("exif_rotated_gps.jpg", "image"), ("cmyk.jpg", "image")],
)
def test_a_photo_of_any_kind_comes_back_as_telegram_shows_it(
    world: EngineWorld, tmp_path: Path, sample: str, media: Literal["video", "image"]
) -> None:
    embedded = EmbeddedEngine()
    prepared = embedded.prepare(SAMPLES / sample, workdir=tmp_path)
    world.script(file="odd" if media == "video" else "good")
    run(world, prepared.path, recipe(world.name, media), tmp_path / "result")
    (seen,) = world.control("GET", "/runs")
    facts = seen["photo"]
    assert (facts["format"], facts["mode"], facts["progressive"]) == ("JPEG", "RGB", False)
    assert facts["metadata"] == [] and min(facts["width"], facts["height"]) >= 360
    finished = embedded.finish(tmp_path / "result", media, workdir=tmp_path)
    if media == "video":
        found = finish.probe(finished.path, imageio_ffmpeg.get_ffmpeg_exe())
        assert found.plays_everywhere
        return
    with Image.open(finished.path) as image:
        # It is this photo, and not any other: its shape has not changed.
        shape = prepared.meta["width"] / prepared.meta["height"]
        assert image.width / image.height == pytest.approx(shape, rel=0.02)


def test_a_file_that_was_cut_is_noticed_at_the_end(world: EngineWorld, tmp_path: Path) -> None:
    embedded = EmbeddedEngine()
    prepared = embedded.prepare(SAMPLES / "portrait.jpg", workdir=tmp_path)
    world.script(file="cut")
    run(world, prepared.path, recipe(world.name), tmp_path / "result")
    with pytest.raises(EngineError) as failed:
        embedded.finish(tmp_path / "result", "video", workdir=tmp_path)
    assert failed.value.code == "engine_crashed"
