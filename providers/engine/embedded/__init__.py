"""The engine that needs nothing: no network, no GPU, no key. Every job runs in a child process,
because a stranger's file may crash, hang or bloat whatever decodes it.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal

import imageio_ffmpeg

from providers.engine import ENGINE_CODES, EngineError, Result
from providers.engine.embedded.process import ChildProcess

VERSION = "1.0"

_CHILD = "providers.engine.embedded.child"
_POLL_SECONDS = 0.2
_MEBIBYTE = 1024 * 1024
_OUTPUTS: dict[str, tuple[str, Literal["video", "image"], str]] = {
    "animate": ("result.mp4", "video", "video/mp4"),
    "restore": ("result.jpg", "image", "image/jpeg"),
    # What it does around the work of another engine; nobody can order these.
    "prepare": ("prepared.jpg", "image", "image/jpeg"),
    "finish_video": ("finished.mp4", "video", "video/mp4"),
    "finish_image": ("finished.jpg", "image", "image/jpeg"),
}
_ORDERED = ("animate", "restore")


class EmbeddedEngine:
    """Animates and restores photos on this machine's CPU. See docs/engine.md for its limits."""

    def __init__(self, *, timeout_seconds: int = 120, memory_mb: int = 1024) -> None:
        """Limit each job: wall seconds, and MiB resident in the child and its encoder together."""
        self._timeout_seconds = timeout_seconds
        self._memory_mb = memory_mb

    def run(
        self,
        service_type: str,
        photo: Path,
        *,
        workdir: Path,
        progress: Callable[[int], None],
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Result:
        """See Engine.run. Nothing is left running, however the job ends."""
        if service_type not in _ORDERED:
            raise EngineError("service_unsupported", service_type)
        return self._work(
            service_type, photo, workdir=workdir, progress=progress, should_stop=should_stop
        )

    def prepare(
        self, photo: Path, *, workdir: Path, should_stop: Callable[[], bool] = lambda: False
    ) -> Result:
        """The photo as remote engines take it: an upright sRGB JPEG of 360 to 2000 pixels.

        No longer than 2.4:1, under 2 MB, without metadata. Raises EngineError.
        """
        return self._work("prepare", photo, workdir=workdir, should_stop=should_stop)

    def finish(
        self,
        file: Path,
        media_type: Literal["video", "image"],
        *,
        workdir: Path,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Result:
        """What a remote engine has made, as Telegram shows it; meta has its size and seconds.

        H.264, yuv420p, even sides, faststart, under 45 MB; or a JPEG. Raises EngineError, with
        "engine_crashed" for a file that is broken.
        """
        return self._work(f"finish_{media_type}", file, workdir=workdir, should_stop=should_stop)

    def count_faces(
        self, photo: Path, *, workdir: Path, should_stop: Callable[[], bool] = lambda: False
    ) -> int:
        """How many faces a photo shows as it is, at most as many as move. Raises EngineError."""
        facts = self._facts(
            "count_faces", photo, workdir / "nothing", workdir=workdir, should_stop=should_stop
        )
        return int(facts["faces"])

    def _work(
        self,
        service_type: str,
        photo: Path,
        *,
        workdir: Path,
        progress: Callable[[int], None] = lambda percent: None,
        should_stop: Callable[[], bool],
    ) -> Result:
        file_name, media_type, content_type = _OUTPUTS[service_type]
        target = workdir.absolute() / file_name
        started = time.monotonic()
        facts = self._facts(
            service_type,
            photo,
            target,
            workdir=workdir,
            ffmpeg=_ffmpeg() if media_type == "video" else "",
            progress=progress,
            should_stop=should_stop,
        )
        facts["seconds"] = round(time.monotonic() - started, 2)
        facts["bytes"] = target.stat().st_size
        progress(100)
        meta = {"engine": "embedded", "version": VERSION, **facts}
        return Result(path=target, media_type=media_type, content_type=content_type, meta=meta)

    def _facts(
        self,
        service_type: str,
        photo: Path,
        target: Path,
        *,
        workdir: Path,
        ffmpeg: str = "",
        progress: Callable[[int], None] = lambda percent: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> dict[str, Any]:
        """Let a child do it; what it says of its work."""
        request = {
            "serviceType": service_type,
            "photo": str(photo.absolute()),
            "target": str(target),
            "ffmpeg": ffmpeg,
            "timeoutSeconds": self._timeout_seconds,
            "memoryMb": self._memory_mb,
        }
        with ChildProcess(_CHILD, request, workdir=workdir) as child:
            return self._supervise(child, progress=progress, should_stop=should_stop)

    def _supervise(
        self,
        child: ChildProcess,
        *,
        progress: Callable[[int], None],
        should_stop: Callable[[], bool],
    ) -> dict[str, Any]:
        """Follow the child to its result. Raises EngineError for any other outcome."""
        started = checked_at = time.monotonic()
        peak = 0
        while not child.ended:
            for message in child.messages(wait_seconds=_POLL_SECONDS):
                if "progress" in message:
                    progress(message["progress"])
                elif "result" in message:
                    return {**message["result"], "peakMemoryMb": peak // _MEBIBYTE}
                else:
                    raise _refusal(message["error"], last_words=child.end())
            now = time.monotonic()
            if now - checked_at < _POLL_SECONDS:
                continue  # measuring memory walks all processes: not on every frame
            checked_at = now
            peak = max(peak, child.memory_bytes())
            self._enforce(child, seconds=now - started, peak=peak, should_stop=should_stop)
        raise EngineError("engine_crashed", child.end())

    def _enforce(
        self, child: ChildProcess, *, seconds: float, peak: int, should_stop: Callable[[], bool]
    ) -> None:
        if peak > self._memory_mb * _MEBIBYTE:
            raise EngineError("engine_memory", f"{peak // _MEBIBYTE} MiB; {child.end()}")
        if seconds > self._timeout_seconds:
            raise EngineError("engine_timeout", child.end())
        if should_stop():
            raise EngineError("stopped", child.end())


def _refusal(error: dict[str, str], *, last_words: str) -> EngineError:
    code = error["code"] if error["code"] in ENGINE_CODES else "engine_crashed"
    detail = error["detail"] if code != "engine_crashed" else f"{error['detail']}; {last_words}"
    return EngineError(code, detail)


@cache
def _ffmpeg() -> str:
    """The system's ffmpeg if it can write H.264, otherwise the one in imageio-ffmpeg."""
    system = shutil.which("ffmpeg")
    if system and _writes_h264(system):
        return system
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise EngineError("engine_unavailable", "no ffmpeg with libx264") from error


def _writes_h264(ffmpeg: str) -> bool:
    listing = subprocess.run(  # noqa: S603 - a program of this machine, no shell
        [ffmpeg, "-hide_banner", "-encoders"], capture_output=True, timeout=10, check=False
    )
    return b"libx264" in listing.stdout
