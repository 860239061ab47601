"""An H.264 MP4 that every phone plays, written by an ffmpeg process of this job's process group."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, cast

from providers.engine import EngineError
from providers.engine.embedded.fields import Pixels

# Colours are converted and labelled as BT.709: players guess at unlabelled ones, and guess wrong.
_COLOURS = (
    "scale=out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_inp,"
    "format=yuv420p,setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709"
)
_X264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "19", "-threads", "2")
_MP4 = ("-an", "-map_metadata", "-1", "-movflags", "+faststart", "-f", "mp4")


class VideoWriter:
    """Takes frames of one even size; the file is complete once the `with` block has ended."""

    def __init__(
        self, path: Path, *, ffmpeg: str, width: int, height: int, frames_per_second: int
    ) -> None:
        if width % 2 or height % 2:
            raise ValueError(f"H.264 needs even sides, got {width}x{height}")
        frames = ("-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{width}x{height}")
        rate = ("-r", str(frames_per_second))
        quiet = ("-y", "-nostats", "-loglevel", "error")
        self._process = subprocess.Popen(  # noqa: S603 - our own program, no shell
            [ffmpeg, *quiet, *frames, *rate, "-i", "pipe:0", "-vf", _COLOURS, *_X264, *_MP4]
            + [str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        self._frames = cast(IO[bytes], self._process.stdin)

    def __enter__(self) -> VideoWriter:
        return self

    def write(self, frame: Pixels) -> None:
        """Append one frame. Raises EngineError when the encoder has died."""
        try:
            self._frames.write(frame.data)
        except BrokenPipeError as error:
            raise EngineError("engine_crashed", "the video encoder died") from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._process.kill()
        with suppress(BrokenPipeError):  # it has died; its exit status shows that below
            self._frames.close()
        status = self._process.wait()
        if kind is None and status != 0:
            raise EngineError("engine_crashed", f"the video encoder ended with {status}")
