"""The service `restore`: marks painted over, grain and fading reduced, twice the size.

An undamaged photo is enlarged and otherwise left alone. No face is ever invented.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from providers.engine.embedded import damage, enlarge, grain, photo, tone
from providers.engine.embedded.faces import find_faces
from providers.engine.embedded.fields import Pixels

MAX_SIDE = 2560  # pixels of the result
_DOUBLED_SIDE = MAX_SIDE // 2
# A photo up to here is shrunk to _DOUBLED_SIDE and doubled; a larger one keeps its own pixels.
_KEPT_SIDE = 1920
_MAX_FACES = 6
_JPEG_QUALITY = 92
_WORN_PERCENT = 1.0  # of the picture repaired: less is an accident to an otherwise good photo
_NOISE_LEVELS = (2.2, 4.5)  # grain sigma from which the enlarger removes noise, and more of it


@dataclass(frozen=True)
class _Condition:
    """What an examined photo needs. fading: 0..1; grain: sigma, grey levels."""

    damaged: bool
    mono: bool
    fading: float
    grain: float

    @property
    def old(self) -> bool:
        """Whether light, colours and grain may be changed at all."""
        return self.damaged or self.fading > 0.0

    @property
    def noise_level(self) -> int:
        """How much noise the enlarger removes: 0, 1 or 2; 3 would be waxy."""
        return sum(self.grain >= level for level in _NOISE_LEVELS) if self.old else 0


def restore(source: Path, target: Path, *, progress: Callable[[int], None]) -> dict[str, Any]:
    """Write a JPEG of `source` to `target`; returns facts about it. Raises EngineError."""
    photograph = photo.read(source, long_side=MAX_SIDE)
    progress(5)
    doubled = max(photograph.shape[:2]) <= _KEPT_SIDE
    picture = _shrunk(photograph) if doubled else photograph
    people = find_faces(picture, at_most=_MAX_FACES)
    progress(10)
    picture, mask = damage.repair(picture, people)
    progress(25)
    condition = _examine(picture, damaged=damage.percent(mask) >= _WORN_PERCENT)
    if condition.old:
        picture = _renew(picture, condition)
    progress(35)
    if doubled:
        picture = _enlarge(picture, condition.noise_level, progress=progress)
    _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    target.write_bytes(jpeg.tobytes())
    progress(95)
    return {
        "faces": len(people),
        "width": picture.shape[1],
        "height": picture.shape[0],
        "sourceWidth": photograph.shape[1],
        "sourceHeight": photograph.shape[0],
        "mendedPercent": damage.percent(mask),
        "fading": round(condition.fading, 2),
        "grain": round(condition.grain, 1),
        "mono": condition.mono,
    }


def _shrunk(picture: Pixels) -> Pixels:
    height, width = picture.shape[:2]
    size = photo.fitted(width, height, long_side=_DOUBLED_SIDE)
    return (
        picture
        if size == (width, height)
        else cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    )


def _examine(picture: Pixels, *, damaged: bool) -> _Condition:
    return _Condition(
        damaged=damaged,
        mono=tone.is_mono(picture),
        fading=tone.fading(picture),
        grain=grain.sigma(picture),
    )


def _renew(picture: Pixels, condition: _Condition) -> Pixels:
    if condition.mono:
        picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    calmed = grain.reduce(picture, condition.grain, mono=condition.mono)
    return tone.recover(calmed, condition.fading, mono=condition.mono)


def _enlarge(picture: Pixels, noise_level: int, *, progress: Callable[[int], None]) -> Pixels:
    doubled = enlarge.double(
        picture, noise_level=noise_level, progress=lambda share: progress(35 + int(55 * share))
    )
    return enlarge.sharpen(doubled)
