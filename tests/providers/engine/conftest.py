"""Engine results, each made once per test run, and ways to inspect them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import pytest

from providers.engine import Result
from providers.engine.embedded import EmbeddedEngine

SAMPLES = Path(__file__).parents[3] / "local/samples"


@dataclass(frozen=True)
class Product:
    """A result and the progress reported on the way to it."""

    result: Result
    percents: list[int]

    @property
    def meta(self) -> dict[str, Any]:
        return self.result.meta

    @cached_property
    def frames(self) -> list[Any]:
        video = cv2.VideoCapture(str(self.result.path))
        frames = []
        while (step := video.read())[0]:
            frames.append(step[1])
        video.release()
        return frames

    @property
    def first_frame(self) -> Any:
        video = cv2.VideoCapture(str(self.result.path))
        frame = video.read()[1]
        video.release()
        return frame

    @cached_property
    def picture(self) -> Any:
        return cv2.imread(str(self.result.path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)


@pytest.fixture(scope="session")
def samples() -> Path:
    return SAMPLES


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Path], Product]:
    """make(service, photo): run the engine as the worker does; the same job is done once."""
    made: dict[tuple[str, Path], Product] = {}

    def make_once(service_type: str, photo: Path) -> Product:
        if (service_type, photo) not in made:
            percents: list[int] = []
            result = EmbeddedEngine().run(
                service_type,
                photo,
                workdir=tmp_path_factory.mktemp("job"),
                progress=percents.append,
            )
            made[service_type, photo] = Product(result, percents)
        return made[service_type, photo]

    return make_once
