"""Examples for the net that fills marks: a print with holes, and the print without damage."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lab.training.ageing import aged, draw_tone, scanned, toned
from lab.training.crops import CropStore, Picture
from lab.training.damage import damage
from lab.training.lookalikes import with_lookalikes
from lab.training.sheet import Sheet

SIDE = 128
"""Pixels of a crop."""
LEAST, MOST = 0.01, 0.35
"""Share of a crop that is holes: others teach nothing, or cannot be guessed."""
POOL = 1200
FRESH = 4
"""Examples that join the last POOL before each batch is drawn from it."""

Holes = NDArray[np.uint8]
"""Height x width, 255 in the holes."""
Example = tuple[Picture, Holes, Picture]
"""A damaged print; where its holes are; what was under the marks."""
Filled = tuple[Picture, Holes, Picture]
"""The same, but the print is filled from the rims."""


def example(cut: Picture, rng: Generator) -> Example | None:
    """A piece of a photo as a print; None if too little or too much of it is damaged."""
    picture = cut.astype(np.float32)
    if rng.random() < 0.3:
        picture = with_lookalikes(picture, rng)
    sound = aged(toned(picture, rng, draw_tone(rng)), rng)
    sheet = Sheet.of(sound.copy())
    damage(sheet, rng)
    seen, holes, truth = of_sheet(sheet, sound, rng)
    return (seen, holes, truth) if LEAST < np.mean(holes > 0) < MOST else None


def of_sheet(sheet: Sheet, sound: NDArray[np.float32], rng: Generator) -> Example:
    """The same of a print on which the damage is drawn; scanned alike with and without it.

    sound: what it was before.
    """
    width = int(rng.choice([3, 3, 5, 5, 7]))  # widened as the engine widens its masks
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    holes = 255 * cv2.dilate(sheet.damaged.astype(np.uint8), disc)
    seed = int(rng.integers(2**31))  # the same noise and blur on both
    seen, truth = (
        scanned(np.clip(each, 0, 255), np.random.default_rng(seed))
        for each in (sheet.picture, sound)
    )
    return seen, holes, truth


def from_the_rims(seen: Picture, holes: Holes) -> Picture:
    """As filling.fill_smoothly, without the packages that the rest of the engine needs."""
    return np.asarray(cv2.inpaint(seen, holes, 3, cv2.INPAINT_NS), np.uint8)


def batches(
    photos: Sequence[tuple[int, Picture]], rng: Generator, count: int
) -> Iterator[list[Filled]]:
    """Endless batches of `count` examples."""
    store = CropStore(photos, rng)
    pool: list[Filled] = []
    while True:
        for _ in range(FRESH if len(pool) >= 8 * count else 8 * count):
            new = None
            while new is None:
                new = example(store.cut(SIDE), rng)
            seen, holes, truth = new
            filled = from_the_rims(seen, holes), holes, truth
            if len(pool) < POOL:
                pool.append(filled)
            else:
                pool[int(rng.integers(POOL))] = filled
        yield [pool[int(number)] for number in rng.integers(0, len(pool), count)]
