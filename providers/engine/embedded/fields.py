"""Array types and the smooth functions that the warps are built of; nothing about faces here."""

from __future__ import annotations

from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

Pixels: TypeAlias = npt.NDArray[Any]  # uint8, height x width x 3, BGR as OpenCV keeps it
# Height x width: bool, or uint8, 0 outside and 255 inside (less where in part), or labels.
Mask: TypeAlias = npt.NDArray[Any]
Plane: TypeAlias = npt.NDArray[Any]  # float32, height x width
OfEach: TypeAlias = npt.NDArray[Any]  # one value for each part of a mask, by its number
Planes: TypeAlias = npt.NDArray[Any]  # float32, height x width x channels
Points: TypeAlias = npt.NDArray[Any]  # float32, one row per point, pixels
Offsets: TypeAlias = npt.NDArray[Any]  # float32, height x width x 2 (x, y), pixels
Box: TypeAlias = tuple[int, int, int, int]  # left, top, right, bottom; pixels, ends excluded


def smoothstep(value: Any) -> Any:
    """0 below 0, 1 above 1, with level ends between (3t^2 - 2t^3)."""
    clipped = np.clip(value, 0.0, 1.0)
    return clipped * clipped * (3.0 - 2.0 * clipped)


def pixel_grid(left: int, top: int, right: int, bottom: int) -> Offsets:
    """Coordinates (x, y) of every pixel of a Box."""
    xs = np.arange(left, right, dtype=np.float32)
    ys = np.arange(top, bottom, dtype=np.float32)
    return np.stack(np.meshgrid(xs, ys), axis=-1)


def hill(grid: Offsets, centre: Points, radius: float) -> Offsets:
    """A Gaussian hill of height 1, ready to be multiplied with a displacement (height x width x 1).

    radius: its standard deviation, pixels.
    """
    squared = ((grid - centre) ** 2).sum(axis=-1)
    falloff: Offsets = np.exp(-squared / (2.0 * radius * radius))[..., None].astype(np.float32)
    return falloff


def rotation(angle: float) -> Points:
    """Matrix that turns picture axes into axes leaning by `angle` (radians, clockwise)."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, sine], [-sine, cosine]], np.float32)


def fill_holes(values: Plane, known: Plane) -> Plane:
    """Spread known values smoothly over the unknown ones (push-pull pyramid).

    known: 1 where `values` holds a value, 0 elsewhere.
    """
    levels = [(values * known, known)]
    while min(levels[-1][1].shape) > 2:
        weighted, weight = levels[-1]
        levels.append((cv2.pyrDown(weighted), cv2.pyrDown(weight)))
    weighted, weight = levels[-1]
    filled = weighted / np.maximum(weight, 1e-6)
    for weighted, weight in levels[-2::-1]:
        height, width = weight.shape
        coarse = cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR)
        trust = np.clip(weight, 0.0, 1.0)
        filled = coarse * (1.0 - trust) + weighted / np.maximum(weight, 1e-6) * trust
    return filled
