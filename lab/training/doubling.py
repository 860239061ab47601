"""Examples for the net that doubles a photo: a small worn crop, and what it was twice as large."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lab.training.pictures import Picture
from lab.training.shapes import between

LAYERS = 7
"""Convolutions of 3 x 3 without padding: each takes a pixel off every side."""
SIDE = 56
"""Pixels of a crop before doubling, without the border that the net consumes."""
_BLOCK = 8  # pixels of JPEG's blocks, which begin anywhere in a crop

Colours = NDArray[np.float32]
Example = tuple[Colours, Colours, Colours]
"""What the net gets (BGR and noise level), what a resize makes of it, what it should be; 0..1."""


def examples(photos: Sequence[Picture], rng: Generator, count: int) -> Iterator[list[Example]]:
    """Endless batches. Of every three crops the flattest is left out: skies teach nothing."""
    kept = [photo for photo in photos if min(photo.shape[:2]) >= 2 * (SIDE + 2 * LAYERS + _BLOCK)]
    while True:
        drawn = [example(kept[int(rng.integers(len(kept)))], rng) for _ in range(3 * count // 2)]
        drawn.sort(key=lambda each: -float(np.abs(each[2] - each[1]).mean()))
        yield drawn[:count]


def example(photo: Picture, rng: Generator) -> Example:
    """One crop. Noise and JPEG come after the halving, as they do in a camera."""
    large = _cut(photo, 2 * (SIDE + 2 * LAYERS + _BLOCK), rng)
    level = float(rng.choice([0.0, 0.5, 1.0], p=[0.6, 0.2, 0.2]))
    small = _worn(_halved(large, rng), level, rng)
    resized = cv2.resize(small, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    top, left = (int(rng.integers(_BLOCK)) for _ in range(2))
    border, side = LAYERS, SIDE + 2 * LAYERS
    colours = small[top : top + side, left : left + side].astype(np.float32) / 255
    given = np.concatenate([colours, np.full((side, side, 1), level, np.float32)], axis=2)
    rows, columns = (
        slice(2 * (start + border), 2 * (start + border + SIDE)) for start in (top, left)
    )
    plain, truth = (part[rows, columns].astype(np.float32) / 255 for part in (resized, large))
    return given, plain, truth


def _cut(photo: Picture, side: int, rng: Generator) -> Picture:
    height, width = photo.shape[:2]
    extent = min(round(side * between(rng, 1, 2.6)), height, width)
    top, left = (int(rng.integers(length - extent + 1)) for length in (height, width))
    cut = photo[top : top + extent, left : left + extent]
    way = cv2.INTER_AREA if extent > side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(cut, (side, side), interpolation=way), np.uint8)


def _halved(large: Picture, rng: Generator) -> Colours:
    """As a lens and a sensor would have seen it from twice as far, a little softer or not."""
    soft = large.astype(np.float32)
    if rng.random() < 0.5:
        soft = np.asarray(cv2.GaussianBlur(soft, (0, 0), between(rng, 0.3, 1.0)))
    return np.asarray(cv2.resize(soft, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))


def _worn(small: Colours, level: float, rng: Generator) -> Picture:
    sigma = between(rng, 0, 1.2) if level == 0 else between(rng, 3 * level, 9 * level)
    grain = rng.standard_normal(small.shape[:2], np.float32)[..., None]
    grain = grain + 0.4 * rng.standard_normal(small.shape, np.float32)
    if rng.random() < 0.6:
        grain = cv2.GaussianBlur(grain, (0, 0), between(rng, 0.4, 0.9))
    noisy = small + grain * sigma / float(grain.std())
    worn = np.clip(noisy + 0.5, 0, 255).astype(np.uint8)
    if rng.random() < 0.75:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(72 - 12 * level, 98))]
        _, coded = cv2.imencode(".jpg", worn, quality)
        worn = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return worn
