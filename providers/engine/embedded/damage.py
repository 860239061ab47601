"""Cracks, scratches, flakes and dust: finding them, deciding what to trust, painting over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from providers.engine.embedded import filling, looks, marks
from providers.engine.embedded.faces import Face, find_faces
from providers.engine.embedded.fields import Mask, Pixels, Plane, Planes

# Share of the picture: if two sizes are sure of so much, it is damaged (lab/training/README.md).
_PROVEN = 0.008
# Share of the picture: marks on more of it are left. So much is the picture's own texture, or too
# little is left to fill them from.
_MOST = 0.25
_VISIBLE = 0.35  # suspicion, 0..1: a person sees marks that the network is less sure of
_NOTICEABLE = 0.3  # per cent of the picture
_MOST_FACES = 40  # a school class
_HINT = 0.05  # suspicion, 0..1: contrast would show marks that nobody sees without it
# Share of the picture: where so much is suspicious, too little is left to tell what lies under it.
_MOST_LIFTED = 0.5
_BROAD = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))


@dataclass(frozen=True)
class Mending:
    """A photo after repair.

    mask: 255 where it was painted over. left: suspicion, 0..1, where it was not, of the picture as
    looks.sized gives it. proven: whether the photo is damaged beyond doubt.
    """

    picture: Pixels
    mask: Mask
    left: Plane
    proven: bool

    @property
    def percent(self) -> float:
        """How much of the picture was painted over."""
        return round(100.0 * float(np.count_nonzero(self.mask)) / self.mask.size, 2)

    @cached_property
    def hinted(self) -> Mask:
        """255 on whatever may be damage that was left, and is narrow or plain to see.

        What is broad and only hinted at is mostly sound, and would be filled from the wrong side.
        """
        hints = (self.left > _HINT).astype(np.uint8)
        broad = cv2.morphologyEx(hints, cv2.MORPH_OPEN, _BROAD)
        narrow = (hints > 0) & (cv2.dilate(broad, np.ones((3, 3), np.uint8)) == 0)
        return marks.grown(narrow | (self.left > _VISIBLE))

    @property
    def liftable(self) -> float:
        """Share of what is hinted at that is lifted off, 0..1.

        1 while that covers a quarter of the picture or less, 0 from half of it on.
        """
        share = float(np.mean(self.hinted > 0))
        return float(np.clip(2.0 * (1.0 - share / _MOST_LIFTED), 0.0, 1.0))

    @property
    def left_percent(self) -> float:
        """How much of the picture still looks damaged to a person; 0 if it is not proven to be."""
        return 100.0 * float(np.mean(self.left > _VISIBLE)) if self.proven else 0.0

    @property
    def damage_left(self) -> bool:
        """Whether a person would still notice damage that was recognised."""
        return self.left_percent >= _NOTICEABLE

    def standing_out(self, picture: Pixels) -> Planes:
        """How far what is hinted at differs from what is around it, times `liftable`.

        picture: `self.picture`, or that with its grain reduced. Grey levels; 0 elsewhere.
        """
        small = looks.sized(picture)
        if self.liftable == 0.0:
            return np.zeros(picture.shape, np.float32)
        lifted = small.astype(np.float32) - filling.fill_smoothly(small, self.hinted)
        return np.asarray(cv2.resize(lifted * self.liftable, (picture.shape[1], picture.shape[0])))


def repair(image: Pixels, people: Sequence[Face] = ()) -> Mending:
    """Paint over what is damage beyond doubt.

    people: faces that are known; of a suspicious photo smaller ones are looked for, too. What makes
    a face its own is never said to look damaged.

    A sound photo is returned as it is, with an empty mask; one that is not proven damaged loses at
    most single clear scratches, and no damage is said to be left in it. What cannot be mended well
    (torn rims, most of the picture) is left.
    """
    small = looks.sized(image)
    own = looks.look(small)
    features = _features_of(people, image)
    # Most photos end here, after a quarter of the work.
    if not _is_suspicious(own):
        return _untouched(image, np.where(features > 0, 0.0, own))
    smaller_people = find_faces(small, at_most=_MOST_FACES, thorough=True)
    of_smaller = marks.features_of(smaller_people, own.shape)
    features = np.where(of_smaller > 0, of_smaller, features)
    left = np.where(features > 0, 0.0, own)
    smaller = looks.reduced(small)
    proven = marks.proof(own, smaller) >= _PROVEN
    # The enlarged look takes longer than the two others together.
    if not proven and not marks.single_scratches(own, features).any():
        return _untouched(image, left)
    seen = looks.Looks(own, looks.enlarged(small), smaller)
    if proven:
        mask, left = all_marks(small, seen, features)
    else:
        mask = marks.of_sound(seen, features)
        left = np.where(mask > 0, 0.0, left)
    if np.mean(mask > 0) > _MOST:
        return _untouched(image, np.maximum(left, mask > 0), proven=proven)
    full = _at_size_of(image, mask)
    return Mending(filling.fill(image, full), full, left, proven)


def all_marks(
    small: Pixels, seen: looks.Looks, features: Mask, *, network: str = looks.NETWORK
) -> tuple[Mask, Plane]:
    """The marks of a damaged photo, and how damaged the rest looks, eyes, brows and lips aside.

    Some marks are recognised only once a stronger neighbour is gone. By then what is broad has been
    judged, which the smaller look is for: it is not taken again. network: see looks.look.
    """
    mask = marks.of_damaged(seen, features)
    own = looks.look(filling.fill_smoothly(small, mask), network=network)
    either = np.maximum(own, seen.own)
    own[marks.spared(seen, mask)] = 0.0
    again = looks.Looks(own, seen.larger, smaller=np.zeros_like(own))
    mask = np.maximum(mask, marks.of_damaged(again, features))
    return mask, np.where((features > 0) | (mask > 0), 0.0, either)


def _features_of(people: Sequence[Face], image: Pixels) -> Mask:
    """What makes faces in the image their own, at the size of looks.sized; see marks."""
    labels = marks.features_of(people, image.shape)
    size = looks.sized(labels).shape[::-1]
    return np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST))


def _is_suspicious(own: Plane) -> bool:
    """Whether a first look gives reason for more: there is much to see, or a clear scratch."""
    if float(np.mean(own > marks.SUSPICIOUS)) >= _PROVEN:
        return True
    nobody = np.zeros(own.shape, np.uint8)
    return bool(marks.single_scratches(own, nobody).any())


def _untouched(image: Pixels, left: Plane, *, proven: bool = False) -> Mending:
    return Mending(image, np.zeros(image.shape[:2], np.uint8), left, proven)


def _at_size_of(image: Pixels, mask: Mask) -> Mask:
    size = (image.shape[1], image.shape[0])
    return np.where(cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR) > 127, 255, 0).astype(
        np.uint8
    )
