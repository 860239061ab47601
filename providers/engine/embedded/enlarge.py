"""Twice the size with a network that knows photographs (waifu2x), tile by tile."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from providers.engine.embedded import networks
from providers.engine.embedded.fields import Pixels

_TILE = 128  # pixels: larger tiles are slower here and need twice the memory
_BORDER = 7  # the network eats seven pixels on every side
_SHARPEN, _SHARPEN_RADIUS = 0.3, 1.8


def double(image: Pixels, *, noise_level: int, progress: Callable[[float], None]) -> Pixels:
    """The picture at twice its size. noise_level: 0, 1 or 2, how much noise to remove on the way.

    progress is told the share done, 0..1.
    """
    height, width = image.shape[:2]
    rows, columns = -(-height // _TILE), -(-width // _TILE)
    padded = cv2.copyMakeBorder(
        image,
        _BORDER,
        _BORDER + rows * _TILE - height,
        _BORDER,
        _BORDER + columns * _TILE - width,
        cv2.BORDER_REFLECT_101,
    )
    net = networks.load(f"upscale2x_photo_noise{noise_level}.onnx")
    doubled = np.empty((2 * rows * _TILE, 2 * columns * _TILE, 3), np.uint8)
    reach, size = _TILE + 2 * _BORDER, 2 * _TILE
    for number in range(rows * columns):
        row, column = divmod(number, columns)
        top, left = row * _TILE, column * _TILE
        tile = padded[top : top + reach, left : left + reach]
        net.setInput(networks.blob(tile, scale=255.0))
        answer = np.clip(net.forward()[0] * 255.0 + 0.5, 0.0, 255.0).astype(np.uint8)
        doubled[2 * top : 2 * top + size, 2 * left : 2 * left + size] = answer.transpose(1, 2, 0)[
            :, :, ::-1
        ]
        progress((number + 1) / (rows * columns))
    return doubled[: 2 * height, : 2 * width]


def sharpen(image: Pixels) -> Pixels:
    """A light unsharp mask."""
    soft = cv2.GaussianBlur(image, (0, 0), _SHARPEN_RADIUS)
    return np.asarray(cv2.addWeighted(image, 1.0 + _SHARPEN, soft, -_SHARPEN, 0))
