"""A print that is being damaged: the picture, what of it is damage, and what is neither."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lab.training.shapes import Layer, Plane, between, distance_to, noise

Colours = NDArray[np.float32]
"""A picture, height x width x 3, BGR, 0..255."""

_SEEN = 9.0  # levels: a smaller change under a mark shows nobody anything
_SEEN_BESIDE = 16.0  # levels: such a change beside a mark, its shadow, belongs to it
_UNDER = 0.3  # cover from which a pixel lies under the mark


@dataclass
class Sheet:
    """picture: so far; damaged: where; undecided: where neither answer would be wrong."""

    picture: Colours
    damaged: NDArray[np.bool_]
    undecided: NDArray[np.bool_]

    @classmethod
    def of(cls, picture: Colours) -> "Sheet":
        """A print without damage."""
        shape = picture.shape[:2]
        return cls(picture.astype(np.float32), np.zeros(shape, bool), np.zeros(shape, bool))

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return (self.picture.shape[0], self.picture.shape[1])

    def lay(
        self,
        cover: Plane,
        rng: Generator,
        *,
        relief: float = 0.0,
        reach: float = 1.0,
        opacity: float = 1.0,
    ) -> None:
        """Put a mark on the print, and note what of it changed the picture.

        cover: 0..1. relief: levels of the shadow on one side, a glint lies on the other; reach:
        how far they fall, about the mark's width. White on white is undecided: to call it damage
        is not wrong, to leave it is not either.
        """
        before = self.picture
        after = _embossed(before, cover, rng, relief, reach) if relief > 0 else before
        alpha = (cover * opacity)[..., None]
        after = (after * (1 - alpha) + bare_paper(rng, self.shape) * alpha).astype(np.float32)
        change = np.abs(after - before).max(axis=-1)
        seen = (change > _SEEN) & ((cover > _UNDER) | (change > _SEEN_BESIDE))
        self.picture = after
        self.damaged |= seen
        self.undecided |= (cover * opacity > 0.6) & (change <= _SEEN)

    def doubtful(self) -> NDArray[np.bool_]:
        """What is undecided and not damaged in another way too."""
        return self.undecided & ~self.damaged


def ragged(rng: Generator, skeleton: Layer, width: float, roughness: float = 0.45) -> Plane:
    """Cover of a line about `width` pixels wide: thick and thin, with a torn edge, antialiased.

    One formula for all lines: half the width, changed by a coarse noise, minus the distance from
    the skeleton, roughened by a fine noise.
    """
    shape = skeleton.shape
    half = width / 2 * (1 + roughness * noise(rng, shape, between(rng, 6, 24)))
    edge = between(rng, 0, 0.5) * min(1.0, width / 3) * noise(rng, shape, between(rng, 1.6, 3))
    return np.asarray(np.clip(half + edge - distance_to(skeleton) + 0.35, 0, 1))


def bare_paper(rng: Generator, shape: tuple[int, int]) -> Colours:
    """What a mark shows: paper from white to cream with its own mottle, or now and then dirt."""
    if rng.random() < 0.16:
        base = between(rng, 10, 60) * np.array([0.9, 1.0, 1.05])
    else:
        yellow = between(rng, 0, 0.22) if rng.random() < 0.6 else between(rng, 0, 0.05)
        base = between(rng, 165, 255) * np.array([1 - yellow, 1 - yellow / 4, 1.0])
    mottle = noise(rng, shape, between(rng, 2, 8))[..., None] * between(rng, 2, 14)
    paper = base.astype(np.float32) + mottle
    if rng.random() < 0.4:
        stain = noise(rng, shape, between(rng, 8, 40))[..., None]
        paper = paper + stain * np.array([14, 9, 5], np.float32) * between(rng, 0.3, 1.6)
    return paper.astype(np.float32)


def _embossed(
    picture: Colours, cover: Plane, rng: Generator, relief: float, reach: float
) -> Colours:
    angle, shift = between(rng, 0, 2 * np.pi), reach * between(rng, 0.8, 2.2)
    softness = reach * between(rng, 0.5, 1.4)
    step = shift * np.array([np.cos(angle), np.sin(angle)])
    shadow, glint = (_shifted(cover, way * step, softness)[..., None] for way in (1, -1))
    return np.asarray(picture - relief * shadow + relief * between(rng, 0, 0.9) * glint)


def _shifted(cover: Plane, step: NDArray[np.float64], softness: float) -> Plane:
    height, width = cover.shape
    move = np.array([[1, 0, step[0]], [0, 1, step[1]]], np.float32)
    moved = cv2.warpAffine(cover, move, (width, height))
    return np.asarray(cv2.GaussianBlur(moved, (0, 0), softness))
