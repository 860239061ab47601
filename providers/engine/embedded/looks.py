"""What the damage network sees of a photo, at three sizes.

At its own size it takes a bow for bare paper as easily as it finds a crack. Enlarged, a bow is
plain cloth and a crack is still a crack; made smaller, folds and wide cracks are seen whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from providers.engine.embedded import neural_networks, tiles
from providers.engine.embedded.fields import Pixels, Plane

NETWORK = "damage_mask.onnx"
LONG_SIDE = 1000  # pixels: marks are searched at this size, where they are one to nine wide
# Times; of a picture of LONG_SIDE it is 1.28, as the time grows with the pixels.
_ENLARGED = 1.6
_ENLARGED_SIDE = 1280
_REDUCED = 0.6
# Tiles keep the network below 300 MiB; larger ones than this leave the processor's cache and take a
# third more time for each pixel.
_TILE = 320
_TILE_OVERLAP = 32
_MULTIPLE = 16  # of which sides must be, as the network halves four times
_BORDER = 16


@dataclass(frozen=True)
class Looks:
    """How likely each pixel is damaged, 0..1, seen at its own size, larger and smaller."""

    own: Plane
    larger: Plane
    smaller: Plane


def enlarged(image: Pixels, *, network: str = NETWORK) -> Plane:
    """What is seen of a picture of LONG_SIDE or less when it is enlarged."""
    return look(image, min(_ENLARGED, _ENLARGED_SIDE / max(image.shape)), network=network)


def reduced(image: Pixels, *, network: str = NETWORK) -> Plane:
    """What is seen of it when it is made smaller."""
    return look(image, _REDUCED, network=network)


def look(image: Pixels, factor: float = 1.0, *, network: str = NETWORK) -> Plane:
    """How likely each pixel is damaged, seen at `factor` times the size; as large as `image`.

    network: the path of another file, to measure it.
    """
    if factor == 1.0:
        return _scan(image, network)
    way = cv2.INTER_AREA if factor < 1.0 else cv2.INTER_CUBIC
    seen = _scan(cv2.resize(image, None, fx=factor, fy=factor, interpolation=way), network)
    return np.asarray(cv2.resize(seen, (image.shape[1], image.shape[0])))


def _scan(image: Pixels, network: str) -> Plane:
    """Run the network tile by tile; its halvings need sides divisible by sixteen."""
    height, width = image.shape[:2]
    bottom, right = _BORDER + -height % _MULTIPLE, _BORDER + -width % _MULTIPLE
    padded = cv2.copyMakeBorder(image, _BORDER, bottom, _BORDER, right, cv2.BORDER_REFLECT_101)
    net = neural_networks.load(network)
    found = np.zeros(padded.shape[:2], np.float32)
    down, across = (
        tiles.cut(side, at_most=_TILE, overlap=2 * _TILE_OVERLAP, multiple=_MULTIPLE)
        for side in padded.shape[:2]
    )
    for top in down.starts:
        for left in across.starts:
            tile = padded[top : top + down.size, left : left + across.size]
            net.setInput(((tile.astype(np.float32) - 128.0) / 64.0).transpose(2, 0, 1)[None])
            answer = net.forward()[0, 0]
            # At a tile's rim the network has seen too little of the surroundings.
            skip_y, skip_x = (_TILE_OVERLAP if edge else 0 for edge in (top, left))
            target = found[top + skip_y : top + down.size, left + skip_x : left + across.size]
            target[:] = answer[skip_y:, skip_x:]
    return found[_BORDER : _BORDER + height, _BORDER : _BORDER + width]
