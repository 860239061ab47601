"""The kinds of damage that prints have, drawn as a scanner sees them.

Cracks branch, change their width, show paper and throw a shadow to one side; lost emulsion has a
ragged border; a fold bends the light; dust is round. Every kind is `draw(sheet, rng, scale)`:
`scale` widens and lengthens it, as the same print may be scanned small or large.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from lab.training.shapes import (
    Layer,
    Plane,
    between,
    cell_walls,
    distance_to,
    fine,
    gaps,
    grow_tree,
    noise,
    size_between,
    somewhere,
    trace,
    wander,
)
from lab.training.sheet import Sheet, ragged


def damage(sheet: Sheet, rng: Generator) -> None:
    """Damage a print with one to five marks of any kinds."""
    scale = size_between(rng, 0.6, 1.6)
    count = int(rng.choice([1, 2, 3, 4, 5], p=[0.25, 0.3, 0.25, 0.12, 0.08]))
    chances = [chance for _, chance in KINDS.values()]
    for name in rng.choice(list(KINDS), count, p=chances):
        draw, _ = KINDS[name]
        draw(sheet, rng, scale)


def cracks(sheet: Sheet, rng: Generator, scale: float) -> None:
    """Cracks with branches, from anywhere or from an edge, with flaked borders or without."""
    shape, longest = sheet.shape, max(sheet.shape)
    skeleton = np.zeros(shape, np.uint8)
    for _ in range(int(rng.integers(1, 4))):
        start = somewhere(rng, shape)
        if rng.random() < 0.5:
            axis = int(rng.integers(2))
            start[axis] = float(rng.choice([0, (shape[1], shape[0])[axis] - 1]))
        length = between(rng, 0.25, 1.3) * longest
        curl, jitter = between(rng, 0.01, 0.1), between(rng, 0.05, 0.5)
        kinks, angle = between(rng, 0, 0.15), between(rng, 0, 2 * np.pi)
        path = wander(rng, start, angle, length, curl=curl, jitter=jitter, kinks=kinks)
        depth = int(rng.integers(0, 3))
        grow_tree(
            rng, skeleton, path, length=length, depth=depth, curl=curl, jitter=jitter, kinks=kinks
        )
    width = max(0.8, size_between(rng, 0.8, 6.5) * scale)
    cover = ragged(rng, skeleton, width, between(rng, 0.2, 0.7))
    if rng.random() < 0.45:
        cover = cover * gaps(rng, shape, between(rng, 6, 30), most=1.6)
    sheet.lay(
        cover,
        rng,
        relief=between(rng, 5, 70) if rng.random() < 0.6 else 0,
        reach=max(0.6, 0.35 * width),
        opacity=between(rng, 0.45, 1),
    )
    if rng.random() < 0.4:
        _flake_along(sheet, rng, skeleton, width)


def craquelure(sheet: Sheet, rng: Generator, scale: float) -> None:
    """A net of cracks in the dried layer; often hardly more than its shadows."""
    walls = cell_walls(rng, sheet.shape, size_between(rng, 10, 70) * scale)
    width = max(0.9, size_between(rng, 0.8, 3.2) * scale)
    faint = rng.random() < 0.4
    sheet.lay(
        ragged(rng, walls, width, between(rng, 0.2, 0.7)),
        rng,
        relief=between(rng, 10, 60) if faint or rng.random() < 0.6 else 0,
        reach=max(0.6, 0.4 * width),
        opacity=between(rng, 0.1, 0.4) if faint else between(rng, 0.5, 1),
    )


def flakes(sheet: Sheet, rng: Generator, scale: float) -> None:
    """Patches where the picture has come off, slim or round, often at the edge of the print."""
    shape = sheet.shape
    cover = np.zeros(shape, np.float32)
    y, x = np.ogrid[: shape[0], : shape[1]]
    for _ in range(int(rng.integers(1, 5))):
        centre, radius = somewhere(rng, shape), size_between(rng, 2, 13) * scale
        if rng.random() < 0.4:
            centre[0] = float(rng.choice([0, shape[1]]))
        turn, slim = between(rng, 0, np.pi), between(rng, 0.4, 1)
        along = (x - centre[0]) * np.cos(turn) + (y - centre[1]) * np.sin(turn)
        across = (y - centre[1]) * np.cos(turn) - (x - centre[0]) * np.sin(turn)
        border = 1 + 0.45 * noise(rng, shape, max(2.0, 0.6 * radius))
        border += 0.3 * noise(rng, shape, max(1.6, 0.2 * radius))
        patch = radius * border - np.hypot(along, across / slim) + 0.5
        cover = np.maximum(cover, np.clip(patch, 0, 1)).astype(np.float32)
    relief = between(rng, 0, 60) if rng.random() < 0.7 else 0
    sheet.lay(cover, rng, relief=relief, opacity=between(rng, 0.8, 1))


def fold(sheet: Sheet, rng: Generator, scale: float) -> None:
    """A fold across the print: each side catches the light in its own way, the line is broken.

    The changed light is not damage that could be painted over; the line is.
    """
    shape = sheet.shape
    level = rng.random() < 0.75
    angle = rng.choice([0, np.pi / 2]) + rng.normal(0, 0.12) if level else between(rng, 0, np.pi)
    centre = rng.uniform(0.1, 0.9, 2) * (shape[1], shape[0])
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    away = (y - centre[1]) * np.cos(angle) - (x - centre[0]) * np.sin(angle)
    away = away + noise(rng, shape, between(rng, 15, 60)) * between(rng, 0.2, 1.5) * scale
    light = np.where(away > 0, between(rng, -30, 30), between(rng, -15, 15))
    light = light * np.exp(-np.abs(away) / (between(rng, 4, 60) * scale))
    sheet.picture = (sheet.picture + light[..., None]).astype(np.float32)
    width = max(0.9, size_between(rng, 0.8, 5) * scale)
    half = width / 2 * (1 + 0.6 * noise(rng, shape, between(rng, 5, 20)))
    half = half + 0.4 * min(1.0, width / 3) * noise(rng, shape, 2)
    cover = np.clip(half - np.abs(away) + 0.35, 0, 1).astype(np.float32)
    if rng.random() < 0.6:
        cover = cover * gaps(rng, shape, between(rng, 4, 25), most=1.3)
    sheet.lay(
        cover,
        rng,
        relief=between(rng, 5, 60) if rng.random() < 0.6 else 0,
        reach=max(0.6, 0.4 * width),
        opacity=between(rng, 0.55, 1),
    )


def scratches(sheet: Sheet, rng: Generator, scale: float) -> None:
    """A few thin scratches, often side by side, some of them faint."""
    shape, longest = sheet.shape, max(sheet.shape)
    parallel, base = rng.random() < 0.5, between(rng, 0, np.pi)
    for _ in range(int(rng.integers(1, 6))):
        angle = base + rng.normal(0, 0.1) if parallel else between(rng, 0, 2 * np.pi)
        skeleton = np.zeros(shape, np.uint8)
        path = wander(
            rng,
            somewhere(rng, shape),
            angle,
            between(rng, 0.08, 1.2) * longest,
            curl=between(rng, 0, 0.05),
            jitter=between(rng, 0, 0.08),
            step=between(rng, 3, 12),
        )
        trace(skeleton, path)
        cover = ragged(rng, skeleton, max(0.8, size_between(rng, 0.7, 2.6) * scale), 0.25)
        if rng.random() < 0.4:
            cover = cover * gaps(rng, shape, between(rng, 4, 25), most=1.4)
        relief = between(rng, 5, 40) if rng.random() < 0.25 else 0
        sheet.lay(cover, rng, relief=relief, reach=0.6, opacity=between(rng, 0.3, 1))


def dust(sheet: Sheet, rng: Generator, scale: float) -> None:
    """Specks, round spots, now and then a few hairs."""
    specks = noise(rng, sheet.shape, between(rng, 1.8, 4.5) * max(0.7, scale))
    cover = np.clip(3 * (specks - between(rng, 2.5, 3.6)), 0, 1)
    sheet.lay(cover, rng, opacity=between(rng, 0.5, 1))
    if rng.random() < 0.4:
        sheet.lay(_spots(rng, sheet.shape, scale), rng, opacity=between(rng, 0.6, 1))
    if rng.random() < 0.4:
        skeleton = np.zeros(sheet.shape, np.uint8)
        for _ in range(int(rng.integers(1, 4))):
            start, length = somewhere(rng, sheet.shape), between(rng, 15, 80) * scale
            turn = between(rng, 0, 2 * np.pi)
            trace(skeleton, wander(rng, start, turn, length, curl=0.25, jitter=0.05, step=3))
        hairs = ragged(rng, skeleton, max(0.8, 1.1 * scale), 0.1)
        sheet.lay(hairs, rng, opacity=between(rng, 0.4, 0.95))


def rubbed(sheet: Sheet, rng: Generator, scale: float) -> None:
    """A region where the surface is worn to a speckle."""
    region = noise(rng, sheet.shape, between(rng, 20, 80) * scale) - between(rng, 0.6, 1.6)
    specks = noise(rng, sheet.shape, between(rng, 1.6, 3.5)) + 1.5 * region
    cover = np.clip(2 * (specks - between(rng, 0.8, 2)), 0, 1) * np.clip(3 * region, 0, 1)
    sheet.lay(cover, rng, opacity=between(rng, 0.5, 1))


KINDS: dict[str, tuple[Callable[[Sheet, Generator, float], None], float]] = {
    "cracks": (cracks, 0.25),
    "craquelure": (craquelure, 0.15),
    "flakes": (flakes, 0.09),
    "fold": (fold, 0.12),
    "scratches": (scratches, 0.17),
    "dust": (dust, 0.17),
    "rubbed": (rubbed, 0.05),
}
"""Each kind by name, and how often it is drawn."""


def _spots(rng: Generator, shape: tuple[int, int], scale: float) -> Plane:
    """Dust in the enlarger: flat round spots anywhere; buttons are shaded and in a row."""
    layer = np.zeros(shape, np.uint8)
    for _ in range(int(rng.integers(1, 16))):
        radius = between(rng, 0.7, 4.5) * scale
        radii = (int(8 * radius) + 2, int(8 * radius * between(rng, 0.6, 1)) + 2)
        spot, turn = tuple(fine(somewhere(rng, shape)).tolist()), between(rng, 0, 180)
        cv2.ellipse(layer, spot, radii, turn, 0, 360, 255, -1, cv2.LINE_AA, 3)
    return layer.astype(np.float32) / 255


def _flake_along(sheet: Sheet, rng: Generator, skeleton: Layer, width: float) -> None:
    away = distance_to(skeleton) / (between(rng, 1.5, 5) * max(1.0, width))
    bumps = noise(rng, sheet.shape, between(rng, 3, 9) * max(0.6, width / 2))
    cover = np.clip(3 * (bumps - away - between(rng, 0.4, 1.4)), 0, 1)
    sheet.lay(cover, rng, relief=between(rng, 0, 40))
