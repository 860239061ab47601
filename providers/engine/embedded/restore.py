"""The service `restore`: marks painted over, grain and fading reduced, twice the size.

An undamaged photo is enlarged and otherwise left alone. No face is ever invented.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from providers.engine.embedded import damage, enlarge, grain, photo, tone
from providers.engine.embedded.faces import find_faces
from providers.engine.embedded.fields import Pixels

MAX_SIDE = 2560  # pixels of the result
_DOUBLED_SIDE = 1920  # pixels: a larger photo has all that MAX_SIDE shows, or nearly
_MAX_FACES = 6
_JPEG_QUALITY = 92
_WORN_PERCENT = 1.0  # of the picture repaired: less is an accident to an otherwise good photo
_LEFT_PERCENT = 1.0  # of the picture left damaged: from here on the whole share below is held back
_HELD_BACK_COLOURS = 0.2  # share of what has faded
_HELD_BACK_MONO = 0.5  # the same of a grey print whose damage can be lifted off; all, if it cannot
_CLEARLY_FADED = 0.2  # of 0..1: a photo whose grain is that of its age, not of its film
# Grain sigma from which the enlarger removes noise, and more of it.
_NOISE_LEVELS = (2.2, 4.5)


@dataclass(frozen=True)
class _Condition:
    """What an examined photo is like. fading: 0..1; grain: sigma, grey levels.

    brought_back: how much of what has faded may come back, 0..1.
    """

    worn: bool
    mono: bool
    fading: float
    brought_back: float
    grain: float

    @property
    def age(self) -> float:
        """How much of its grain may go, 0..1: none of a sound photo's, all of a worn one's."""
        return 1.0 if self.worn else min(1.0, self.fading / _CLEARLY_FADED)


def restore(source: Path, target: Path, *, progress: Callable[[int], None]) -> dict[str, Any]:
    """Write a JPEG of `source` to `target`; returns facts about it. Raises EngineError."""
    photograph = photo.read(source, long_side=MAX_SIDE)
    progress(5)
    people = find_faces(photograph, at_most=_MAX_FACES)
    progress(10)
    mending = damage.repair(photograph, people)
    progress(25)
    picture = mending.picture
    condition = _examine(mending)
    noise_level = 0
    if condition.age > 0.0:
        picture = _renew(mending, condition)
        # What is left of the grain; what is gone need not be removed twice, faces would be wax.
        noise_level = sum(grain.sigma(picture) >= level for level in _NOISE_LEVELS)
        noise_level = round(condition.age * noise_level)
    progress(35)
    if max(picture.shape[:2]) <= _DOUBLED_SIDE:
        picture = _shrunk(
            enlarge.double(
                picture,
                noise_level=noise_level,
                progress=lambda share: progress(35 + int(55 * share)),
            )
        )
    _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    target.write_bytes(jpeg.tobytes())
    progress(95)
    return {
        "faces": len(people),
        "width": picture.shape[1],
        "height": picture.shape[0],
        "sourceWidth": photograph.shape[1],
        "sourceHeight": photograph.shape[0],
        "mendedPercent": mending.percent,
        "damageLeft": mending.damage_left,
        "fading": round(condition.fading, 2),
        "grain": round(condition.grain, 1),
        "mono": condition.mono,
    }


def _shrunk(picture: Pixels) -> Pixels:
    height, width = picture.shape[:2]
    size = photo.fitted(width, height, long_side=MAX_SIDE)
    return (
        picture
        if size == (width, height)
        else cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    )


def _examine(mending: damage.Mending) -> _Condition:
    picture = mending.picture
    mono = tone.is_mono(picture, marked=mending.mask)
    # Where much is left there is more that nobody recognised, and contrast would show it; a faded
    # colour photo has its colours to win all the same.
    share = 1.0 - (1.0 - _HELD_BACK_MONO) * mending.liftable if mono else _HELD_BACK_COLOURS
    held_back = share * min(1.0, mending.left_percent / _LEFT_PERCENT)
    return _Condition(
        worn=mending.percent >= _WORN_PERCENT,
        mono=mono,
        fading=tone.fading(picture),
        brought_back=1.0 - held_back,
        grain=grain.sigma(picture),
    )


def _renew(mending: damage.Mending, condition: _Condition) -> Pixels:
    """Less grain, and the light and colours that have faded.

    Damage that was left would be seen more clearly with more contrast: it is lifted off before and
    laid back as it was.
    """
    picture = mending.picture
    calmed = grain.reduce(picture, condition.grain, mono=condition.mono)
    calmed = cv2.addWeighted(calmed, condition.age, picture, 1.0 - condition.age, 0)
    amount = condition.fading * condition.brought_back
    if amount == 0.0:
        return np.asarray(calmed)
    lifted = mending.standing_out(calmed)
    sound = cv2.subtract(calmed, lifted, dtype=cv2.CV_8U)
    renewed = tone.recover(sound, amount, mono=condition.mono)
    return np.asarray(cv2.add(renewed, lifted, dtype=cv2.CV_8U))
