"""Random shapes that marks are made of: smooth noise, wandering lines, trees of cracks, cells.

Every function takes the random generator, so a seed gives the same shapes again.
"""

from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Plane: TypeAlias = NDArray[Any]
"""One number a pixel, float32."""

Layer: TypeAlias = NDArray[np.uint8]
"""A skeleton: 255 on lines one pixel wide, 0 elsewhere."""

Path: TypeAlias = NDArray[np.float64]
"""Points x, y of a line, pixels."""

_SUBPIXEL_BITS = 3


def between(rng: Generator, low: float, high: float) -> float:
    """A number, each as likely."""
    return float(rng.uniform(low, high))


def size_between(rng: Generator, low: float, high: float) -> float:
    """A size, each factor as likely: as many between 1 and 2 as between 2 and 4."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def noise(rng: Generator, shape: tuple[int, ...], cell: float) -> Plane:
    """Smooth noise of about unit variance whose bumps are `cell` pixels wide."""
    height, width = shape[:2]
    coarse = rng.standard_normal((int(height / cell) + 3, int(width / cell) + 3), np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))


def gaps(rng: Generator, shape: tuple[int, ...], cell: float, most: float) -> Plane:
    """0 in holes and 1 elsewhere: what breaks a line up. most: up to 1.6 leaves few holes."""
    field = noise(rng, shape, cell) + between(rng, -0.2, most)
    return np.asarray(np.clip(3 * field, 0, 1))


def wander(
    rng: Generator,
    start: NDArray[np.float64],
    angle: float,
    length: float,
    *,
    curl: float,
    jitter: float = 0.0,
    kinks: float = 0.0,
    step: float = 4.0,
) -> Path:
    """A line that drifts by `curl`, trembles by `jitter` (radians a step) and now and then turns.

    kinks: chance of a sharp turn at each step.
    """
    count = max(2, int(length / step))
    turns = rng.normal(0, curl, count)
    turns += (rng.random(count) < kinks) * rng.normal(0, 0.7, count)
    angles = angle + np.cumsum(turns) + rng.normal(0, jitter, count)
    moves = step * np.stack([np.cos(angles), np.sin(angles)], 1)
    return np.concatenate([start[None], start + np.cumsum(moves, axis=0)])


def somewhere(rng: Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """A point x, y in the picture."""
    return rng.uniform(0, 1, 2) * (shape[1], shape[0])


def trace(layer: Layer, path: Path, *, closed: bool = False) -> None:
    """Draw a skeleton along a path."""
    cv2.polylines(layer, [fine(path)], closed, 255, 1, cv2.LINE_8, _SUBPIXEL_BITS)


def fine(path: Path) -> NDArray[Any]:
    """Points in the eighths of a pixel that OpenCV's drawings take with shift 3."""
    return np.asarray(np.round(path * 2**_SUBPIXEL_BITS), np.int32)


def grow_tree(
    rng: Generator,
    layer: Layer,
    path: Path,
    *,
    length: float,
    depth: int,
    curl: float,
    jitter: float,
    kinks: float,
) -> None:
    """Let branches leave a crack at wide angles, and smaller ones those, `depth` times."""
    trace(layer, path)
    if depth == 0:
        return
    for _ in range(int(rng.integers(0, 4))):
        at = int(rng.integers(1, len(path)))
        along = path[at] - path[at - 1]
        turn = float(rng.choice([-1.0, 1.0])) * between(rng, 0.4, 1.5)
        reach = length * between(rng, 0.2, 0.7)
        angle = float(np.arctan2(along[1], along[0])) + turn
        branch = wander(rng, path[at], angle, reach, curl=curl, jitter=jitter, kinks=kinks)
        grow_tree(
            rng,
            layer,
            branch,
            length=reach,
            depth=depth - 1,
            curl=curl,
            jitter=jitter,
            kinks=kinks,
        )


def cell_walls(rng: Generator, shape: tuple[int, int], size: float) -> Layer:
    """Walls of bent cells about `size` pixels wide, present in patches: how a dry layer cracks."""
    height, width = shape
    count = max(4, round(height * width / size**2))
    seeds = rng.uniform(0, 1, (count, 2)) * (width - 1, height - 1)
    division = cv2.Subdiv2D((-1, -1, width + 2, height + 2))
    division.insert(seeds.astype(np.float32).tolist())
    facets, _ = division.getVoronoiFacetList([])
    walls = np.zeros(shape, np.uint8)
    for facet in facets:
        if rng.random() < 0.85:
            trace(walls, np.asarray(facet, float), closed=True)
    amount = between(rng, 0.5, 3.0)
    cell = max(3.0, size / 3)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    bent_x = x + amount * noise(rng, shape, cell)
    bent_y = y + amount * noise(rng, shape, cell)
    walls = np.asarray(cv2.remap(walls, bent_x, bent_y, cv2.INTER_NEAREST))
    present = noise(rng, shape, size * between(rng, 1.5, 4.0))
    walls[present < between(rng, -0.8, 1.0)] = 0
    return walls


def distance_to(skeleton: Layer) -> Plane:
    """Pixels from each pixel to the nearest line."""
    return np.asarray(cv2.distanceTransform((skeleton == 0).astype(np.uint8), cv2.DIST_L2, 3))
