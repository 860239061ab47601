"""Twice the size: a plain resize, and what a small network knows to be missing, tile by tile."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import cv2
import numpy as np

from providers.engine.embedded import neural_networks, tiles
from providers.engine.embedded.fields import Pixels, Plane

NETWORK = "upscale2x.onnx"
_TILE = 128  # pixels: larger tiles are slower here and need more memory
_BORDER = 7  # the network consumes seven pixels on every side
_MOST_NOISE = 2


def double(image: Pixels, *, noise_level: int, progress: Callable[[float], None]) -> Pixels:
    """The picture at twice its size. noise_level: 0, 1 or 2, how much noise to remove on the way.

    progress gets the share done, 0..1.
    """
    height, width = image.shape[:2]
    down, across = (tiles.cut(side, at_most=_TILE) for side in (height, width))
    tall, wide = down.size, across.size
    whole = _extended(image, bottom=len(down.starts) * tall, right=len(across.starts) * wide)
    padded = cv2.copyMakeBorder(
        whole, _BORDER, _BORDER, _BORDER, _BORDER, borderType=cv2.BORDER_REFLECT_101
    )
    doubled = np.asarray(cv2.resize(whole, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC))
    corners = list(product(down.starts, across.starts))
    for number, (top, left) in enumerate(corners, start=1):
        tile = padded[top : top + tall + 2 * _BORDER, left : left + wide + 2 * _BORDER]
        target = doubled[2 * top : 2 * (top + tall), 2 * left : 2 * (left + wide)]
        target[:] = np.clip(target + _missing(tile, noise_level) + 0.5, 0.0, 255.0)
        progress(number / len(corners))
    return doubled[: 2 * height, : 2 * width]


def _extended(image: Pixels, *, bottom: int, right: int) -> Pixels:
    height, width = image.shape[:2]
    return np.asarray(
        cv2.copyMakeBorder(image, 0, bottom - height, 0, right - width, cv2.BORDER_REFLECT_101)
    )


def _missing(tile: Pixels, noise_level: int) -> Plane:
    """What the doubled tile, without its border, lacks: grey levels in three colours."""
    colours = tile.transpose(2, 0, 1).astype(np.float32) / 255.0
    noise = np.full((1, *tile.shape[:2]), noise_level / _MOST_NOISE, np.float32)
    net = neural_networks.load(NETWORK)
    net.setInput(np.concatenate([colours, noise])[None])
    added: Plane = net.forward()[0]
    height, width = added.shape[1:]
    # Twelve channels: rows, columns and colours of the four pixels that each one becomes.
    fine = added.reshape(2, 2, 3, height, width).transpose(3, 0, 4, 1, 2)
    if not np.ptp(tile, axis=2).any():
        fine = fine.mean(axis=4, keepdims=True).repeat(3, axis=4)  # grey stays grey
    return np.asarray(fine.reshape(2 * height, 2 * width, 3) * 255.0)
