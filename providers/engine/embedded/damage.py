"""Cracks, scratches, flakes and dust: finding them, deciding what to trust, painting over them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from providers.engine.embedded import filling, looks, marks
from providers.engine.embedded.faces import find_faces
from providers.engine.embedded.fields import Pixels

# So much that two sizes are sure of proves damage. lab/training/README.md has the figures.
_PROVEN = 0.008
# Share of the picture: so much is how the picture looks, or more than what is around it can tell.
_MOST = 0.25
_VISIBLE = 0.35  # suspicion, 0..1: a person sees marks that the network is less sure of
_NOTICEABLE = 0.3  # per cent of the picture
_MOST_FACES = 40  # a school class


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
        return bool(self.left_percent >= _NOTICEABLE)


def repair(image: Pixels) -> Mending:
    """Paint over what is damage beyond doubt.

    A sound photo is returned as it is, with an empty mask; one that is not proven damaged loses at
    most single clear scratches, and no damage is said to be left in it. What cannot be mended well
    (lost corners, torn rims, most of the picture) is left.
    """
    small = looks.sized(image)
    own = looks.look(small)
    suspected = float(np.mean(own > marks.SUSPICIOUS)) >= _PROVEN
    # Most photos end here, after a quarter of the work.
    if not suspected and not marks.single_scratches(own, marks.features_of([], own.shape)).any():
        return _untouched(image)
    people = find_faces(small, at_most=_MOST_FACES, thorough=True)
    features = marks.features_of(people, own.shape)
    scratched = bool(marks.single_scratches(own, features).any())
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
    share = float(np.count_nonzero(mask)) / mask.size
    if share > _MOST:
        return _untouched(image, left_percent=100.0 * share + left)
    full = _enlarged(mask, image)
    return Mending(filling.fill(image, full), full, left)


def _all_marks(small: Pixels, seen: looks.Looks, features: Pixels) -> tuple[Pixels, float]:
    """The marks of a damaged photo, and how many per cent of it look damaged but are no mark."""
    mask = marks.of_damaged(seen, features)
    # Some marks are recognised only once a stronger neighbour is gone. By then nothing is broad,
    # which the smaller look is for: it is not taken again.
    own = looks.look(filling.fill_smoothly(small, mask))
    again = looks.Looks(own, seen.larger, smaller=np.zeros_like(own))
    mask = np.maximum(mask, marks.of_damaged(again, features))
    left = (np.maximum(own, seen.own) > _VISIBLE) & (mask == 0) & (features == 0)
    return mask, 100.0 * float(np.mean(left))


def _untouched(image: Pixels, *, left_percent: float = 0.0) -> Mending:
    return Mending(image, np.zeros(image.shape[:2], np.uint8), left_percent)


def _enlarged(mask: Pixels, image: Pixels) -> Pixels:
    size = (image.shape[1], image.shape[0])
    return np.where(cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR) > 127, 255, 0).astype(
        np.uint8
    )
