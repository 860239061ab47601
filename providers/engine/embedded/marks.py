"""Which of the suspicious pixels are marks to be painted over: decided mark by mark.

Suspicions are 0..1. Thresholds belong to the file `damage_mask.onnx`: they were set by hand, by
looking at really cracked prints and sound photos (lab/training/README.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from providers.engine.embedded import faces
from providers.engine.embedded.faces import Face
from providers.engine.embedded.fields import Mask, OfEach, Plane
from providers.engine.embedded.looks import Looks

SUSPICIOUS = 0.5
_PROOF = 0.7  # of two sizes: so sure that it proves damage
_STRONG, _WEAK = 0.6, 0.35  # hysteresis: a mark has a strong core and may fade out
_STRONG_SHARE = 0.25  # of a mark's pixels, and two at least, belong to the core
_CONFIRMED = 0.18  # enlarged, a pixel of a wide mark still looks that suspicious,
_CONFIRMED_MEAN = 0.5  # and a whole piece of it so, unless it lies at the edge of the print
_PEAK = 0.4  # somewhere a mark is this suspicious at its own size and enlarged,
_LONG, _LONG_PEAK = 0.06, 0.3  # or it is long (of the diagonal), and less will do
_SPECK, _SPECK_PEAK = 0.014, 0.8  # a speck (of the diagonal) looks like nothing when enlarged
# A patch that is wider than _WIDE may be cloth. It is a mark if the enlarged look confirms it, or
# if it is a broad place of a crack: at most _BROAD long, part of a mark _GOES_ON times as long, and
# on average so suspicious at its own size and made smaller. Both are shares of the diagonal.
_WIDE, _BROAD = 0.018, 0.1
_GOES_ON = 2.0
_BROAD_OWN, _BROAD_SMALLER = 0.4, 0.7
_BUTTON = (0.02, 0.06)  # of the diagonal: a mark may be a button if its box has such a diagonal,
_ROUND = 0.35  # and if it fills so much of the square around it (a disc 0.79, an ellipse 2:1 0.39),
_PAPER = 0.7  # and is lost emulsion only if it looks so when enlarged, all over
EYES_AND_LIPS, BROWS = 1, 2
# Share of a mark in eyes and lips from which it is a glint there. Brows have none: what looks like
# paper in one is paper.
_ON_FEATURES = 0.3
_SURE_ON_FEATURES, _SURE_ON_BROWS = 0.8, 0.6  # there a mark is cut to what is this sure
_GROWTH = 0.0022  # of the diagonal, on all sides: 1 pixel at 300, 3 at 1000
_LINE_LENGTH = 0.10  # of the diagonal: a single scratch in a sound photo,
_LINE_SURE = 0.92  # its mean at its own size,
_LINE_CONFIRMED = 0.75  # and at the two others
_LINE_WIDTH = 0.012  # of the diagonal
# What is seen at another size may lie one or two pixels off.
_ONE_OFF, _TWO_OFF = np.ones((3, 3), np.uint8), np.ones((5, 5), np.uint8)


def proof(own: Plane, smaller: Plane) -> float:
    """Share of the picture, 0..1, that is surely damaged at its own size and made smaller.

    What may be cloth proves nothing.
    """
    near = cv2.dilate(smaller, _TWO_OFF)
    sure = (own > _PROOF) & (near > _PROOF)
    return float(np.mean(sure & ~_cloth(own, smaller)))


def of_damaged(looks: Looks, features: Mask) -> Mask:
    """255 on the marks of a photo that is known to be damaged. features: see `features_of`."""
    diagonal = float(np.hypot(*looks.own.shape))
    either = np.maximum(looks.own, looks.smaller)
    cloth = _cloth(looks.own, looks.smaller)
    weak = ((either > _WEAK) & ~cloth) | _bare_paper(looks, cloth)
    weak &= (features != EYES_AND_LIPS) | (looks.own > _SURE_ON_FEATURES)
    weak &= (features != BROWS) | (looks.own > _SURE_ON_BROWS)
    parts = _Components(weak)
    kept = parts.count(either > _STRONG) >= np.maximum(2.0, _STRONG_SHARE * parts.area)
    agreed = (parts.highest(looks.larger) > _PEAK) & (parts.highest(looks.own) > _PEAK)
    long = (parts.length > _LONG * diagonal) & (parts.highest(looks.own) > _LONG_PEAK)
    speck = (parts.length < _SPECK * diagonal) & (parts.highest(looks.own) > _SPECK_PEAK)
    kept &= agreed | long | speck
    kept &= ~parts.like_buttons(diagonal) | (parts.mean(looks.larger) > _PAPER)
    kept &= parts.count(features == EYES_AND_LIPS) <= _ON_FEATURES * parts.area
    return _grown_beside(parts.where(kept), features == EYES_AND_LIPS)


def spared(looks: Looks, found: Mask) -> Mask:
    """True on what may be cloth or a button and is not among the marks that were found.

    For the look at a repaired photo: once its rim has been nibbled at, it looks like neither.
    """
    either = np.maximum(looks.own, looks.smaller)
    left = _Components((either > _WEAK) & (found == 0))
    buttons = left.where(left.like_buttons(float(np.hypot(*found.shape)))).astype(np.uint8)
    cloth = _cloth(looks.own, looks.smaller)
    return np.asarray((cloth | (cv2.dilate(buttons, _ONE_OFF) > 0)) & (found == 0))


def single_scratches(own: Plane, features: Mask) -> Mask:
    """True on what may be a single scratch in a sound photo: long, thin, sure all along."""
    diagonal = float(np.hypot(*own.shape))
    parts = _Components(own > SUSPICIOUS)
    kept = parts.length >= _LINE_LENGTH * diagonal
    kept &= parts.area < _LINE_WIDTH * diagonal * parts.length
    kept &= parts.mean(own) > _LINE_SURE
    kept &= parts.count(features > 0) == 0
    return parts.where(kept)


def of_sound(looks: Looks, features: Mask) -> Mask:
    """255 on the single scratches of an otherwise sound photo that are sure at every size."""
    parts = _Components(single_scratches(looks.own, features))
    kept = parts.mean(cv2.dilate(looks.larger, _TWO_OFF)) > _LINE_CONFIRMED
    kept &= parts.mean(cv2.dilate(looks.smaller, _TWO_OFF)) > _LINE_CONFIRMED
    return grown(parts.where(kept))


def features_of(people: Sequence[Face], shape: tuple[int, ...]) -> Mask:
    """EYES_AND_LIPS or BROWS on what makes a face its own, else 0, in a picture of this shape."""
    brows = _around(people, shape, faces.RIGHT_BROW_OUTLINE, faces.LEFT_BROW_OUTLINE)
    right_eye = faces.RIGHT_EYE_UPPER + faces.RIGHT_EYE_LOWER
    left_eye = faces.LEFT_EYE_UPPER + faces.LEFT_EYE_LOWER
    eyes_and_lips = _around(people, shape, right_eye, left_eye, faces.LIPS)
    return np.where(eyes_and_lips, EYES_AND_LIPS, np.where(brows, BROWS, 0)).astype(np.uint8)


def _around(people: Sequence[Face], shape: tuple[int, ...], *outlines: list[int]) -> Mask:
    mask = np.zeros(shape[:2], np.uint8)
    for face in people:
        for outline in outlines:
            hull = cv2.convexHull(face.points[outline, :2].astype(np.int32))
            cv2.fillConvexPoly(mask, hull, 1)
    return np.asarray(cv2.dilate(mask, np.ones((3, 3), np.uint8), iterations=2) > 0)


def grown(marks: Mask) -> Mask:
    """255 on the marks and their blurred rims, whose colour would otherwise be spread."""
    radius = max(1, round(_GROWTH * float(np.hypot(*marks.shape)) + 0.3))
    size = 2 * radius + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return np.asarray(cv2.dilate(np.where(marks, 255, 0).astype(np.uint8), disc))


def _grown_beside(marked: Mask, eyes_and_lips: Mask) -> Mask:
    """The same, but what lies beside eyes and lips does not grow into them."""
    beside = np.where(eyes_and_lips, 0, grown(marked & ~eyes_and_lips))
    return np.asarray(np.maximum(beside, grown(marked & eyes_and_lips)))


class _Components:
    """The connected parts of a mask, numbered; number 0 is what lies outside."""

    def __init__(self, marked: Mask) -> None:
        self.number, self.labels, stats, _ = cv2.connectedComponentsWithStats(
            marked.astype(np.uint8), connectivity=8
        )
        self.area = stats[:, cv2.CC_STAT_AREA].astype(float)
        sides = stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]]
        self.length = np.hypot(*sides.T)
        self._square = sides.max(axis=1).astype(float) ** 2

    def count(self, where: Mask) -> OfEach:
        """Pixels of each part at which `where` is true."""
        return np.bincount(self.labels[where], minlength=self.number)

    def like_buttons(self, diagonal: float) -> OfEach:
        """Whether each part is round and of a button's size."""
        smallest, largest = _BUTTON
        sized = (self.length > smallest * diagonal) & (self.length < largest * diagonal)
        return np.asarray(sized & (self.area > _ROUND * self._square))

    def at_the_edge(self) -> OfEach:
        """Whether each part touches the edge of the picture."""
        edge = np.concatenate([self.labels[[0, -1]].ravel(), self.labels[:, [0, -1]].ravel()])
        return np.isin(np.arange(self.number), edge)

    def mean(self, values: Plane) -> OfEach:
        """Mean of `values` over each part."""
        total = np.bincount(self.labels.ravel(), values.ravel(), self.number)
        return np.asarray(total / np.maximum(self.area, 1.0))  # a part fills all: nothing outside

    def highest(self, values: Plane) -> OfEach:
        """Highest of `values` in each part."""
        highest = np.zeros(self.number, np.float32)
        inside = self.labels > 0
        np.maximum.at(highest, self.labels[inside], values[inside])
        return highest

    def where(self, kept: OfEach) -> Mask:
        """True on the parts that are kept."""
        return np.asarray((kept & (np.arange(self.number) > 0))[self.labels])


def _bare_paper(looks: Looks, cloth: Mask) -> Mask:
    """True where what may be cloth looks damaged when enlarged, piece by piece.

    Fine lines on a collar do so here and there. At the edge of a print emulsion is lost most.
    """
    near = cv2.dilate(looks.larger, _ONE_OFF)
    pieces = _Components(cloth & (looks.own > _WEAK) & (near > _CONFIRMED))
    return pieces.where((pieces.mean(looks.larger) > _CONFIRMED_MEAN) | pieces.at_the_edge())


def _cloth(own: Plane, smaller: Plane) -> Mask:
    """True on patches that may be a collar, a flower or a lamp, and on their rims.

    Alone such a patch looks like lost emulsion. It is, where it is small, part of a much longer
    mark, and on average damage at both sizes.
    """
    diagonal = float(np.hypot(*own.shape))
    size = max(5, round(_WIDE * diagonal)) | 1
    disc, rim = (
        cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (each, each)) for each in (size, size + 2)
    )
    suspicious = (np.maximum(own, smaller) > _WEAK).astype(np.uint8)
    cores = _Components(cv2.morphologyEx(suspicious, cv2.MORPH_OPEN, disc))
    whole = _Components(suspicious)
    goes_on = cores.highest(whole.length[whole.labels]) > _GOES_ON * cores.length
    broad = goes_on & (cores.length < _BROAD * diagonal)
    broad &= (cores.mean(own) > _BROAD_OWN) & (cores.mean(smaller) > _BROAD_SMALLER)
    return np.asarray(cv2.dilate(cores.where(~broad).astype(np.uint8), rim) > 0)
