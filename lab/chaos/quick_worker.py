"""The real worker with an engine that takes milliseconds; run as a process that may be killed."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from providers import instances
from providers.engine import EngineError, Result
from worker.__main__ import main


class QuickEngine:
    """`risky` photos sometimes fail or outlast a lease; `slow` ones take two seconds."""

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
        while time.monotonic() < deadline:
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
        target: Path,
        *,
        workdir: Path,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """As EmbeddedEngine.prepare, without looking at the photo."""
        shutil.copyfile(photo, target)

    def finish(
        self,
        source: Path,
        target: Path,
        *,
        service_type: str,
        workdir: Path,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Result:
        """As EmbeddedEngine.finish, without looking at the file."""
        shutil.copyfile(source, target)
        if service_type == "animate":
            return Result(target, "video", "video/mp4", {"width": 2, "height": 2})
        return Result(target, "image", "image/jpeg", {"width": 2, "height": 2})


if __name__ == "__main__":
    setattr(instances, "engine", lambda name: QuickEngine())  # noqa: B010 a function there
    main()
