"""The photo as other engines want it: upright, sRGB, a plain JPEG of middling size and shape.

The limits are those that the strictest of them have: Kling takes 1:2.5 to 2.5:1 and 300 pixels or
more, Wan 360 to 2000, and inline or uploaded no more than some megabytes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2

from providers.engine.embedded import photo
from providers.engine.embedded.fields import Pixels

LONG_SIDE = 2000
SHORT_SIDE = 360
MAX_ASPECT = 2.4
MAX_BYTES = 2_000_000
_QUALITIES = (92, 86, 80, 72, 60)  # with the last one, noise of LONG_SIDE squared has 1.9 MB
_BLUR = 0.06  # of the longer side: the border continues the photo's colours, not its things


def prepare(source: Path, target: Path, *, progress: Callable[[int], None]) -> dict[str, Any]:
    """Write a JPEG of `source` to `target`; returns its size and whether it was padded.

    Nothing of the file's metadata comes along. Raises EngineError.
    """
    picture = photo.read(source, long_side=LONG_SIDE)
    progress(40)
    padded = _padded(picture)
    sized = _enlarged(padded)
    progress(70)
    target.write_bytes(_jpeg(sized))
    height, width = sized.shape[:2]
    return {"width": width, "height": height, "padded": padded is not picture}


def _padded(picture: Pixels) -> Pixels:
    """A photo too long or too high gets blurred borders on both sides."""
    height, width = picture.shape[:2]
    short = round(max(height, width) / MAX_ASPECT)
    missing = max(0, short - min(height, width))
    if not missing:
        return picture
    first, second = missing // 2, missing - missing // 2
    top, bottom, left, right = (first, second, 0, 0) if height < width else (0, 0, first, second)
    canvas = cv2.copyMakeBorder(picture, top, bottom, left, right, cv2.BORDER_REPLICATE)
    blurred: Pixels = cv2.GaussianBlur(canvas, (0, 0), _BLUR * max(height, width))
    blurred[top : top + height, left : left + width] = picture
    return blurred


def _enlarged(picture: Pixels) -> Pixels:
    height, width = picture.shape[:2]
    scale = SHORT_SIDE / min(height, width)
    if scale <= 1:
        return picture
    size = (max(SHORT_SIDE, round(width * scale)), max(SHORT_SIDE, round(height * scale)))
    larger: Pixels = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
    return larger


def _jpeg(picture: Pixels) -> bytes:
    """Baseline, without metadata, as good as MAX_BYTES lets it be."""
    for quality in _QUALITIES:
        _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if len(encoded) <= MAX_BYTES:
            break
    return encoded.tobytes()
