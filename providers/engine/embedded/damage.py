"""Scratches, creases and dust: finding them, deciding whether to trust that, painting over them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from providers.engine.embedded import faces, neural_networks, tiles
from providers.engine.embedded.faces import Face
from providers.engine.embedded.fields import Pixels, Plane

_SEARCH_SIDE = 1000  # pixels: marks are searched at this size, where they are one to nine wide
# Tiles keep the network below 300 MiB; a whole photo at once needs 770. Larger ones than this leave
# the processor's cache: a third more time for each pixel.
_TILE = 320
_TILE_OVERLAP = 32
_HALVINGS = 8  # the network halves three times
_BORDER = 8

# The gate: nothing is touched until a photo proves damaged. Real marks are sure (nearly every
# pixel above 0.5 is above 0.9) and long; texture is taken for damage hesitantly and in bits.
_SURE_RATIO, _LONG = 0.66, 1.5
_VERY_SURE_RATIO, _SHORT = 0.80, 0.6
_FEWEST = 0.001  # of the picture
# A clear scratch needs no gate. Of 22 photos with three drawn scratches 13 get some or all repaired
# (5 by the gate alone) and nothing else touched; without them one, a worn table, loses a line.
_SCRATCH_LENGTH, _MIN_SCRATCH = 0.08, 80  # of the diagonal; pixels at _SEARCH_SIDE
_SCRATCH_SURE, _SCRATCH_WIDTH = 0.9, 8  # share of its pixels above 0.9; pixels at _SEARCH_SIDE
_TEXTURE = 0.25  # of the picture: so much "damage" is how the picture looks

_STRONG, _WEAK = 0.6, 0.35  # hysteresis: a mark has a strong core and may fade out
_STRONG_ON_FEATURES, _WEAK_ON_FEATURES = 0.85, 0.6  # in eyes and on lips, where errors show
_STRONG_SHARE = 0.15
_INPAINT_RADIUS = 4


@dataclass(frozen=True)
class Evidence:
    """What speaks for damage. ratio: sure pixels per suspicious one; length: of the sure marks,
    in diagonals of the picture; flagged: share of suspicious pixels.
    """

    ratio: float
    length: float
    flagged: float

    @property
    def convincing(self) -> bool:
        """Whether the photo may be touched."""
        many = self.ratio >= _SURE_RATIO and self.length >= _LONG
        few = self.ratio >= _VERY_SURE_RATIO and self.length >= _SHORT
        return self.flagged >= _FEWEST and (many or few)


def repair(image: Pixels, people: list[Face]) -> tuple[Pixels, Pixels]:
    """The picture with its marks painted over, and the mask of them (255 where damaged).

    A photo that is not convincingly damaged loses at most its clear long scratches; one without
    any is returned as it is, with an empty mask.
    """
    probability = probabilities(image)
    features = _features(people, probability.shape)
    if evidence(probability).convincing:
        mask = _marks(probability, features)
        # Some marks are recognised only once a stronger neighbour is gone.
        mask |= _marks(probabilities(_inpainted(image, mask)), features)
    else:
        mask = _scratches(probability, features)
    if np.count_nonzero(mask) > _TEXTURE * mask.size:
        mask[:] = 0
    return (_inpainted(image, mask) if mask.any() else image), mask


def percent(mask: Pixels) -> float:
    """Share of masked pixels."""
    return round(100.0 * float(np.count_nonzero(mask)) / mask.size, 2)


def evidence(probability: Plane) -> Evidence:
    """Sum up a probability plane for the gate."""
    suspicious = probability > 0.5
    count = int(np.count_nonzero(suspicious))
    sure = int(np.count_nonzero(probability > 0.9))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(suspicious.astype(np.uint8))
    peaks = np.unique(labels[probability > 0.97])
    extents = np.hypot(stats[peaks, cv2.CC_STAT_WIDTH], stats[peaks, cv2.CC_STAT_HEIGHT])
    return Evidence(
        ratio=sure / max(1, count),
        length=float(extents.sum() / np.hypot(*probability.shape)),
        flagged=count / probability.size,
    )


def probabilities(image: Pixels) -> Plane:
    """How likely each pixel is damaged, 0..1."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    height, width = grey.shape
    scale = min(1.0, _SEARCH_SIDE / max(height, width))
    small = grey
    if scale < 1.0:
        small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    found = _scan(small)
    return cv2.resize(found, (width, height)) if scale < 1.0 else found


def _scan(grey: Pixels) -> Plane:
    """Run the network tile by tile; its halvings need sides divisible by eight."""
    height, width = grey.shape
    bottom, right = _BORDER + -height % _HALVINGS, _BORDER + -width % _HALVINGS
    padded = cv2.copyMakeBorder(grey, _BORDER, bottom, _BORDER, right, cv2.BORDER_REFLECT_101)
    net = neural_networks.load("damage_mask.onnx")
    found = np.zeros(padded.shape, np.float32)
    down, across = (
        tiles.cut(side, at_most=_TILE, overlap=2 * _TILE_OVERLAP, multiple=_HALVINGS)
        for side in padded.shape
    )
    for top in down.starts:
        for left in across.starts:
            tile = padded[top : top + down.size, left : left + across.size]
            net.setInput(((tile.astype(np.float32) - 128.0) / 64.0)[None, None])
            answer = net.forward()[0, 0]
            # At a tile's rim the network has seen too little of the surroundings.
            skip_y, skip_x = (_TILE_OVERLAP if edge else 0 for edge in (top, left))
            target = found[top + skip_y : top + down.size, left + skip_x : left + across.size]
            target[:] = answer[skip_y:, skip_x:]
    return found[_BORDER : _BORDER + height, _BORDER : _BORDER + width]


def _features(people: list[Face], shape: tuple[int, ...]) -> Pixels:
    """1 on eyes and lips."""
    mask = np.zeros(shape, np.uint8)
    for face in people:
        for outline in (
            faces.RIGHT_EYE_UPPER + faces.RIGHT_EYE_LOWER,
            faces.LEFT_EYE_UPPER + faces.LEFT_EYE_LOWER,
            faces.LIPS,
        ):
            hull = cv2.convexHull(face.points[outline, :2].astype(np.int32))
            cv2.fillConvexPoly(mask, hull, 1)
    return np.asarray(cv2.dilate(mask, np.ones((3, 3), np.uint8), iterations=2))


def _marks(probability: Plane, features: Pixels) -> Pixels:
    """255 on components that are weak throughout and strong in part, and on their rims."""
    strong = probability > np.where(features, _STRONG_ON_FEATURES, _STRONG)
    weak = probability > np.where(features, _WEAK_ON_FEATURES, _WEAK)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        weak.astype(np.uint8), connectivity=8
    )
    cores = np.bincount(labels[strong], minlength=count)
    kept = cores >= np.maximum(2.0, _STRONG_SHARE * stats[:, cv2.CC_STAT_AREA])
    kept[0] = False
    return _grown(kept[labels])


def _scratches(probability: Plane, features: Pixels) -> Pixels:
    """255 on marks that are long, thin and sure along their whole length, and on their rims."""
    suspicious = probability > 0.5
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        suspicious.astype(np.uint8), connectivity=8
    )
    area = stats[:, cv2.CC_STAT_AREA]
    length = np.hypot(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT])
    sure = np.bincount(labels[probability > 0.9], minlength=count) / area
    scale = max(1.0, max(probability.shape) / _SEARCH_SIDE)
    kept = length >= max(_SCRATCH_LENGTH * np.hypot(*probability.shape), _MIN_SCRATCH * scale)
    kept &= (sure >= _SCRATCH_SURE) & (area < _SCRATCH_WIDTH * scale * length)
    kept[np.unique(labels[features > 0])] = False
    kept[0] = False
    return _grown(kept[labels])


def _grown(marks: Pixels) -> Pixels:
    """A mark's blurred rim belongs to it, otherwise inpainting would spread its colour."""
    size = 2 * max(2, round(0.0016 * max(marks.shape) + 0.5)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return np.asarray(cv2.dilate(np.where(marks, 255, 0).astype(np.uint8), disc))


def _inpainted(image: Pixels, mask: Pixels) -> Pixels:
    return np.asarray(cv2.inpaint(image, mask, _INPAINT_RADIUS, cv2.INPAINT_TELEA))
