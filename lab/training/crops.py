"""Endless training crops: a piece of a picture, made into a print, damaged or not, and scanned."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lab.training.ageing import aged, draw_tone, scanned, stained, toned
from lab.training.borders import border
from lab.training.damage import damage
from lab.training.lookalikes import with_lookalikes
from lab.training.scenes import draw_scene
from lab.training.shapes import size_between
from lab.training.sheet import Sheet

SHARE_DAMAGED = 0.6
"""The other crops teach the net to leave sound prints alone, which are most of what it will see."""
SHARE_DRAWN = 0.15
"""Drawn scenes among the crops; the rest are photos."""
SCENES_IN_STORE = 40
SMALLEST, LARGEST = 0.13, 1.3
"""A crop is cut at this size of the photo: whole collars fit, and single threads."""

Picture = NDArray[np.uint8]
"""Height x width x 3, BGR."""


@dataclass(frozen=True)
class Crop:
    """picture: as scanned; damaged: where; undecided: where neither answer would be wrong."""

    picture: Picture
    damaged: NDArray[np.bool_]
    undecided: NDArray[np.bool_]


def draw_crop(cut: Picture, rng: Generator, *, damaged: bool) -> Crop:
    """Make a scanned print of a piece of a photo. Scanning comes last, as in life."""
    tone = draw_tone(rng)
    toned_later = tone == "grey" and rng.random() < 0.4  # so that the marks have its colour too
    picture = cut.astype(np.float32)
    if rng.random() < 0.65:
        picture = with_lookalikes(picture, rng)
    sheet = Sheet.of(aged(toned(picture, rng, tone), rng))
    if rng.random() < 0.25:
        sheet.picture = stained(sheet.picture, rng)
    if damaged:
        damage(sheet, rng)
    if rng.random() < 0.18:
        border(sheet, rng)
    picture = np.clip(sheet.picture, 0, 255)
    if toned_later:
        picture = toned(picture, rng, str(rng.choice(["grey", "toned"])))
    elif tone == "grey" and rng.random() < 0.3:
        picture = toned(picture, rng, "grey")
    return Crop(scanned(picture, rng), sheet.damaged, sheet.doubtful())


class CropStore:
    """Draws crops from weighted photos and from drawn scenes."""

    def __init__(self, photos: Sequence[tuple[int, Picture]], rng: Generator) -> None:
        self._rng = rng
        self._photos = [photo for _, photo in photos]
        weights = np.array([weight for weight, _ in photos], float)
        self._chances = weights / weights.sum()
        self._scenes = [draw_scene(rng) for _ in range(SCENES_IN_STORE)]

    def draw(self, side: int) -> Crop:
        """Return one crop of `side` x `side` pixels."""
        rng = self._rng
        if rng.random() < 0.05:  # the store never goes stale, and a crop hardly costs more
            self._scenes[int(rng.integers(SCENES_IN_STORE))] = draw_scene(rng)
        return draw_crop(self.cut(side), rng, damaged=rng.random() < SHARE_DAMAGED)

    def cut(self, side: int) -> Picture:
        """Return a piece of a photo or scene, at any of the sizes at which prints are scanned."""
        rng = self._rng
        if rng.random() < SHARE_DRAWN:
            grey = self._scenes[int(rng.integers(SCENES_IN_STORE))]
            picture = np.repeat(grey[..., None], 3, axis=2)
        else:
            picture = self._photos[int(rng.choice(len(self._photos), p=self._chances))]
        height, width = picture.shape[:2]
        extent = min(round(side / size_between(rng, SMALLEST, LARGEST)), height, width)
        top, left = (int(rng.integers(length - extent + 1)) for length in (height, width))
        cut = picture[top : top + extent, left : left + extent]
        way = cv2.INTER_AREA if extent > side else cv2.INTER_CUBIC
        cut = np.asarray(cv2.resize(cut, (side, side), interpolation=way))
        if rng.random() < 0.5:
            cut = cut[:, ::-1]
        if rng.random() < 0.25:
            cut = np.rot90(cut, int(rng.integers(1, 4)))
        return np.ascontiguousarray(cut)
