"""Cracks, scratches, flakes and dust: finding them, deciding what to trust, painting over them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from providers.engine.embedded import filling, looks, marks
from providers.engine.embedded.faces import Face
from providers.engine.embedded.fields import Pixels

# So much that two sizes are sure of proves damage. lab/training/README.md has the figures.
_PROVEN = 0.008
_TEXTURE = 0.25  # of the picture: so much "damage" is how the picture looks
_VISIBLE = 0.35  # a person sees marks that the network is less sure of
_NOTICEABLE = 0.3  # per cent of the picture


@dataclass(frozen=True)
class Mending:
    """A photo after repair. mask: 255 where painted over; left_percent: damage seen and left."""

    picture: Pixels
    mask: Pixels
    left_percent: float

    @property
    def percent(self) -> float:
        """How much of the picture was painted over."""
        return round(100.0 * float(np.count_nonzero(self.mask)) / self.mask.size, 2)

    @property
    def damage_left(self) -> bool:
        """Whether a person would still notice damage that was recognised."""
        return self.left_percent >= _NOTICEABLE


def repair(image: Pixels, people: list[Face]) -> Mending:
    """Paint over what is damage beyond doubt.

    A sound photo is returned as it is, with an empty mask; one that is not proven damaged loses at
    most single clear scratches. What cannot be mended well (lost corners, torn rims) is left.
    """
    small = _reduced(image)
    features = marks.features_of(people, small.shape, small.shape[1] / image.shape[1])
    own = looks.look(small)
    suspected = float(np.mean(own > 0.5)) >= _PROVEN
    scratched = bool(marks.single_scratches(own, features).any())
    # Most photos end here, after a quarter of the work.
    if not suspected and not scratched:
        return _untouched(image)
    smaller = looks.reduced(small)
    proven = marks.proof(own, smaller) >= _PROVEN
    # The enlarged look takes longer than the two others together.
    if not proven and not scratched:
        return _untouched(image)
    seen = looks.Looks(own, looks.enlarged(small), smaller)
    if proven:
        mask, left = _all_marks(small, seen, features)
    else:
        mask, left = marks.of_sound(seen, features), 0.0
    if np.count_nonzero(mask) > _TEXTURE * mask.size:
        return _untouched(image)
    full = _enlarged(mask, image)
    return Mending(filling.fill(image, full), full, left)


def _all_marks(small: Pixels, seen: looks.Looks, features: Pixels) -> tuple[Pixels, float]:
    """The marks of a damaged photo, and how many per cent of it look damaged but are no mark."""
    mask = marks.of_damaged(seen, features)
    # Some marks are recognised only once a stronger neighbour is gone.
    own = looks.look(filling.fill_smoothly(small, mask))
    again = looks.Looks(own, seen.larger, np.zeros_like(own))
    mask = np.maximum(mask, marks.of_damaged(again, features))
    left = (np.maximum(own, seen.own) > _VISIBLE) & (mask == 0) & (features == 0)
    return mask, 100.0 * float(np.mean(left))


def _untouched(image: Pixels) -> Mending:
    return Mending(image, np.zeros(image.shape[:2], np.uint8), 0.0)


def _reduced(image: Pixels) -> Pixels:
    scale = looks.LONG_SIDE / max(image.shape[:2])
    if scale >= 1.0:
        return image
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


def _enlarged(mask: Pixels, image: Pixels) -> Pixels:
    size = (image.shape[1], image.shape[0])
    return np.where(cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR) > 127, 255, 0).astype(
        np.uint8
    )
