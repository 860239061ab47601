"""The edge of a print: a white frame, a torn rim, rounded corners, and the table it lies on."""

import cv2
import numpy as np
from numpy.random import Generator

from lab.training.shapes import Plane, between, noise, size_between
from lab.training.sheet import Sheet, bare_paper


def border(sheet: Sheet, rng: Generator) -> None:
    """Let the print end inside the picture, at one side or two.

    Nothing of it is damage that could be painted over; how far a torn rim goes is undecided.
    """
    scale = size_between(rng, 0.5, 1.5)
    inside = _distance_from_edges(sheet.shape, rng, scale)
    if rng.random() < 0.7:
        wave = noise(rng, sheet.shape, between(rng, 5, 25) * max(0.6, scale))
        inside = inside + wave * between(rng, 0.2, 2) * scale
        inside = inside + noise(rng, sheet.shape, 2) * between(rng, 0, 0.5)
    framed = rng.random() < 0.45
    if framed:
        rim = np.clip(between(rng, 4, 30) * scale - inside + 0.5, 0, 1)
    else:
        width = between(rng, 0.5, 6) * scale
        bites = np.maximum(0, noise(rng, sheet.shape, between(rng, 4, 18) * max(0.6, scale)))
        rim = np.clip(width * (0.6 + bites) - inside + 0.5, 0, 1)
    beyond = np.clip(0.5 - inside, 0, 1)
    table = float(rng.choice([between(rng, 0, 40), between(rng, 215, 255), between(rng, 60, 200)]))
    white, bare = rim[..., None], beyond[..., None]
    picture = sheet.picture * (1 - white) + bare_paper(rng, sheet.shape) * white
    sheet.picture = (picture * (1 - bare) + table * bare).astype(np.float32)
    gone = ((rim > 0.3) | (beyond > 0.3)).astype(np.uint8)
    sheet.damaged[gone > 0] = False
    if not framed:
        sheet.undecided |= rim > 0.3
    sheet.undecided |= cv2.dilate(gone, np.ones((3, 3), np.uint8)) > gone


def _distance_from_edges(shape: tuple[int, int], rng: Generator, scale: float) -> Plane:
    """Pixels inside the print; a corner between two edges may be round."""
    height, width = shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    edges = [x, y, width - 1 - x, height - 1 - y]
    first, *others = rng.permutation(4)[: int(rng.integers(1, 3))]
    offset = between(rng, -2, 14) * scale
    inside = edges[first] - offset
    for other in others:
        second = edges[other] - offset * between(rng, 0.7, 1.3)
        radius = between(rng, 0, 50) * scale
        from_corner = np.hypot(np.maximum(radius - inside, 0), np.maximum(radius - second, 0))
        round_one = (first + other) % 2 == 1
        rounded = radius - from_corner if round_one else np.inf
        inside = np.minimum(np.minimum(inside, second), rounded)
    return inside.astype(np.float32)
