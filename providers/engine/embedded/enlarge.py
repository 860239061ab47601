"""Twice the size with a network trained on photographs (waifu2x), tile by tile."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import cv2
import numpy as np

from providers.engine.embedded import neural_networks, tiles
from providers.engine.embedded.fields import Pixels

_TILE = 128  # pixels: larger tiles are slower here and need twice the memory
_BORDER = 7  # the network consumes seven pixels on every side
_SHARPEN, _SHARPEN_RADIUS = 0.3, 1.8


def double(image: Pixels, *, noise_level: int, progress: Callable[[float], None]) -> Pixels:
    """The picture at twice its size. noise_level: 0, 1 or 2, how much noise to remove on the way.

    progress gets the share done, 0..1.
    """
    height, width = image.shape[:2]
    down, across = (tiles.cut(side, at_most=_TILE) for side in (height, width))
    tall, wide = down.size, across.size
    rows, columns = len(down.starts) * tall, len(across.starts) * wide
    padded = cv2.copyMakeBorder(
        image,
        _BORDER,
        _BORDER + rows - height,
        _BORDER,
        _BORDER + columns - width,
        cv2.BORDER_REFLECT_101,
    )
    net = neural_networks.load(f"upscale2x_photo_noise{noise_level}.onnx")
    doubled = np.empty((2 * rows, 2 * columns, 3), np.uint8)
    corners = list(product(down.starts, across.starts))
    for number, (top, left) in enumerate(corners, start=1):
        tile = padded[top : top + tall + 2 * _BORDER, left : left + wide + 2 * _BORDER]
        net.setInput(neural_networks.blob(tile, scale=255.0))
        answer = np.clip(net.forward()[0] * 255.0 + 0.5, 0.0, 255.0).astype(np.uint8)
        target = doubled[2 * top : 2 * (top + tall), 2 * left : 2 * (left + wide)]
        target[:] = answer.transpose(1, 2, 0)[:, :, ::-1]
        progress(number / len(corners))
    return doubled[: 2 * height, : 2 * width]


def sharpen(image: Pixels) -> Pixels:
    """A light unsharp mask."""
    soft = cv2.GaussianBlur(image, (0, 0), _SHARPEN_RADIUS)
    return np.asarray(cv2.addWeighted(image, 1.0 + _SHARPEN, soft, -_SHARPEN, 0))
