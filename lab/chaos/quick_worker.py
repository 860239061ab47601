"""The real worker with an engine that takes milliseconds; run as a process that may be killed.

It asks providers and looks for lost orders within seconds. --real-engine: photos are processed for
real; --usual-pace: it asks as seldom as the real worker.
"""

from __future__ import annotations

import random
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from PIL import Image, UnidentifiedImageError

import settings
from providers import registry
from providers.engine import EngineError, Result
from providers.engine.remote import Pace
from worker import remote
from worker.__main__ import main

SIZE = (400, 500)  # of a photo for a provider, in pixels


class QuickEngine:
    """`risky` photos sometimes fail or outlast a lease; `slow` ones take two seconds, `endless`
    ones until the worker is stopped.
    """

    def run(
        self,
        service_type: str,
        photo: Path,
        *,
        workdir: Path,
        progress: Callable[[int], None],
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Result:
        """See Engine."""
        content = photo.read_bytes()
        chance = random.random() if content == b"risky" else 1
        if chance < 0.05:
            raise EngineError("image_truncated")
        if chance < 0.10:
            raise EngineError("engine_crashed")
        seconds = 2.0 if content == b"slow" or chance < 0.12 else random.uniform(0, 0.05)
        deadline = time.monotonic() + seconds
        while content == b"endless" or time.monotonic() < deadline:
            progress(50)
            if should_stop():
                raise EngineError("stopped")
            time.sleep(0.01)
        result = Path(workdir) / "result.jpg"
        result.write_bytes(content + b"done")
        return Result(result, "image", "image/jpeg", {"engine": "quick"})

    def prepare(
        self,
        photo: Path,
        *,
        workdir: Path,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Result:
        """As EmbeddedEngine.prepare, without care for the photo's shape."""
        target = workdir / "photo.jpg"
        try:
            with Image.open(photo) as picture:
                picture.convert("RGB").resize(SIZE).save(target, "JPEG")
        except UnidentifiedImageError:
            shutil.copyfile(photo, target)
        return Result(target, "image", "image/jpeg")

    def finish(
        self,
        file: Path,
        media_type: Literal["video", "image"],
        *,
        workdir: Path,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Result:
        """As EmbeddedEngine.finish, without looking at the file."""
        content_type = "video/mp4" if media_type == "video" else "image/jpeg"
        return Result(file, media_type, content_type, {"width": 2, "height": 2})


def hurry() -> None:
    """Let remote engines be asked, and lost orders be looked for, within seconds."""
    quick = Pace(image=0.3, video=0.3, late=0.5, find_seconds=(0.5, 1.5, 3.0))
    for name in settings.ENGINES:
        if settings.engine_configured(settings.load(), name):
            setattr(registry.remote_engine(name), "pace", quick)  # noqa: B010 of this one object
    setattr(remote, "TURN_SECONDS", 0.2)  # noqa: B010


if __name__ == "__main__":
    if "--real-engine" not in sys.argv:
        setattr(registry, "engine", lambda name: QuickEngine())  # noqa: B010 a function there
    if "--usual-pace" not in sys.argv:
        hurry()
    main()
