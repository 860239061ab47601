"""What another engine has made, as Telegram shows it: H.264 that starts at once, or a JPEG.

The file is as strange as a customer's: it is decoded to its end here, in the child, so that what is
broken is noticed before anybody gets it.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from providers.engine import EngineError
from providers.engine.embedded import photo

LONG_SIDE = 4096  # of a picture
VIDEO_SIDE = 1920
MAX_VIDEO_BYTES = 45 * 1024 * 1024  # a bot may send 50 MB
_JPEG_QUALITY = 94
_AUDIO_BITS = 128_000  # a second
_SPARE = 0.9  # of the size that a bit rate is chosen for

_STREAM = re.compile(r"Stream #0:\d+.*?: Video: (\w+).*?, (\w+)[(,].*? (\d+)x(\d+)")
_DURATION = re.compile(r"Duration: (\d+):(\d+):(\d+\.?\d*)")
_QUIET = ("-nostdin", "-y", "-nostats", "-loglevel", "error")
# A playlist dressed up as a video could name other files and addresses.
_INPUT = (
    *("-protocol_whitelist", "file", "-format_whitelist"),
    *("mov,mp4,m4a,3gp,3g2,mj2,matroska,webm", "-i"),
)
_STREAMS = ("-map", "0:v:0", "-map", "0:a:0?", "-c:a", "aac")
_PLAIN = ("-map_metadata", "-1", "-map_chapters", "-1")
_MP4 = ("-movflags", "+faststart", "-f", "mp4")
_X264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-threads", "2")


@dataclass(frozen=True)
class Stream:
    """The picture in a video file; seconds is its whole length."""

    codec: str
    pixels: str
    width: int
    height: int
    seconds: float

    @property
    def plays_everywhere(self) -> bool:
        """Whether phones show it without a change of its pixels."""
        even = self.width % 2 == 0 and self.height % 2 == 0
        small = max(self.width, self.height) <= VIDEO_SIDE
        return self.codec == "h264" and self.pixels == "yuv420p" and even and small


def finish_image(source: Path, target: Path, *, progress: Callable[[int], None]) -> dict[str, Any]:
    """Write a JPEG of `source`, without metadata; returns its size. Raises EngineError."""
    try:
        picture = photo.read(source, long_side=LONG_SIDE)
    except EngineError as error:  # its words are about a customer's photo
        raise EngineError("engine_crashed", f"the result: {error}") from error
    progress(60)
    _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    target.write_bytes(jpeg.tobytes())
    return {"width": picture.shape[1], "height": picture.shape[0]}


def finish_video(
    source: Path, target: Path, *, ffmpeg: str, progress: Callable[[int], None]
) -> dict[str, Any]:
    """Write an MP4 of `source`; returns its size and seconds. Raises EngineError.

    Pixels that play everywhere are copied as they are; sound stays.
    """
    found = probe(source, ffmpeg)
    progress(10)
    _check(source, ffmpeg)
    progress(40)
    fits = source.stat().st_size <= MAX_VIDEO_BYTES
    copied = found.plays_everywhere and fits
    picture = ("-c:v", "copy") if copied else _encoder(found)
    _run([ffmpeg, *_QUIET, *_INPUT, str(source), *_STREAMS, *picture, *_PLAIN, *_MP4, str(target)])
    progress(90)
    made = probe(target, ffmpeg)
    if not made.plays_everywhere or target.stat().st_size > MAX_VIDEO_BYTES:
        raise EngineError("engine_crashed", f"the result cannot be made playable: {made}")
    return {
        "width": made.width,
        "height": made.height,
        "durationSeconds": round(made.seconds, 2),
        "encoded": not copied,
    }


def probe(path: Path, ffmpeg: str) -> Stream:
    """What a video file has in it. EngineError when that is no video."""
    # ffprobe is not part of the packages; ffmpeg tells the same and then complains: no output.
    printed = subprocess.run(  # noqa: S603 - our own program, no shell
        [ffmpeg, "-nostdin", "-hide_banner", *_INPUT, str(path)], capture_output=True, check=False
    ).stderr.decode(errors="replace")
    stream, duration = _STREAM.search(printed), _DURATION.search(printed)
    if stream is None or duration is None:
        raise EngineError("engine_crashed", f"the result is no video: {printed[-500:]}")
    hours, minutes, seconds = duration.groups()
    return Stream(
        codec=stream[1],
        pixels=stream[2],
        width=int(stream[3]),
        height=int(stream[4]),
        seconds=int(hours) * 3600 + int(minutes) * 60 + float(seconds),
    )


def _check(source: Path, ffmpeg: str) -> None:
    """Decode everything once: a file that was cut has the right beginning."""
    _run([ffmpeg, *_QUIET, "-xerror", *_INPUT, str(source), "-map", "0:v:0", "-f", "null", "-"])


def _encoder(found: Stream) -> list[str]:
    """H.264 of even sides, within VIDEO_SIDE, and small enough to be sent."""
    bits = 8 * MAX_VIDEO_BYTES * _SPARE / max(found.seconds, 1.0) - _AUDIO_BITS
    rate = str(max(100_000, int(bits)))
    size = (
        f"scale='trunc(min(1,{VIDEO_SIDE}/max(iw,ih))*iw/2)*2'"
        f":'trunc(min(1,{VIDEO_SIDE}/max(iw,ih))*ih/2)*2',format=yuv420p"
    )
    return ["-vf", size, *_X264, "-maxrate", rate, "-bufsize", rate]


def _run(command: list[str]) -> None:
    done = subprocess.run(  # noqa: S603 - our own program, no shell
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
    )
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace")[-500:]
        raise EngineError("engine_crashed", f"the result is broken: {words}")
