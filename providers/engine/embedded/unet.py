"""Running a U-Net over a picture of any size, tile by tile."""

from __future__ import annotations

import cv2
import numpy as np

from providers.engine.embedded import neural_networks, tiles
from providers.engine.embedded.fields import Pixels, Planes

# Tiles keep a network below 300 MiB; larger ones than this leave the processor's cache and take a
# third more time for each pixel.
_TILE = 320
_OVERLAP = 32  # pixels of two neighbours that are left out, each on its side
_MULTIPLE = 16  # of which sides must be, as the networks halve four times
_BORDER = 16


def run(network: str, planes: Planes, *, channels: int, where: Pixels | None = None) -> Planes:
    """The answer of a network to a picture's planes, for every pixel.

    channels: of the answer. where: tiles in which it is 0 all over are left out, and answered by 0.
    """
    height, width = planes.shape[:2]
    bottom, right = (_BORDER + -side % _MULTIPLE for side in (height, width))
    padded = cv2.copyMakeBorder(planes, _BORDER, bottom, _BORDER, right, cv2.BORDER_REFLECT_101)
    asked = np.zeros(padded.shape[:2], bool)
    inside = np.s_[_BORDER : _BORDER + height, _BORDER : _BORDER + width]
    asked[inside] = True if where is None else where > 0
    answer = np.zeros((*asked.shape, channels), np.float32)
    net = neural_networks.load(network)
    down, across = (
        tiles.cut(side, at_most=_TILE, overlap=2 * _OVERLAP, multiple=_MULTIPLE)
        for side in asked.shape
    )
    for top in down.starts:
        for left in across.starts:
            # At a tile's rim the network has seen too little of the surroundings.
            skip_y, skip_x = (_OVERLAP if edge else 0 for edge in (top, left))
            target = np.s_[top + skip_y : top + down.size, left + skip_x : left + across.size]
            if not asked[target].any():
                continue
            tile = padded[top : top + down.size, left : left + across.size]
            net.setInput(tile.transpose(2, 0, 1)[None])
            found = net.forward()[0].transpose(1, 2, 0)
            answer[target] = found[skip_y:, skip_x:]
    return answer[inside]


def signed(image: Pixels) -> Planes:
    """Grey levels as the networks take them: `(level - 128) / 64`."""
    return np.asarray((image.astype(np.float32) - 128.0) / 64.0)
