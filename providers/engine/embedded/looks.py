"""What the damage network sees of a photo, at three sizes.

At its own size it takes a bow for bare paper as easily as it finds a crack. Enlarged, a bow is
plain cloth and a crack is still a crack; made smaller, folds and wide cracks are seen whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from providers.engine.embedded import unet
from providers.engine.embedded.fields import Pixels, Plane

NETWORK = "damage_mask.onnx"
# Pixels: marks are searched and filled at this size, where they are one to nine wide, as the
# networks know them; to search pieces for them at 1900 pixels takes half a minute.
LONG_SIDE = 1000
# Times; of a picture of LONG_SIDE it is 1.28, as the time grows with the pixels.
_ENLARGED = 1.6
_ENLARGED_SIDE = 1280
_REDUCED = 0.6


@dataclass(frozen=True)
class Looks:
    """How likely each pixel is damaged, 0..1, seen at its own size, larger and smaller."""

    own: Plane
    larger: Plane
    smaller: Plane


def sized(image: Pixels) -> Pixels:
    """The picture, or mask, shrunk if it is longer than LONG_SIDE."""
    scale = LONG_SIDE / max(image.shape[:2])
    if scale >= 1.0:
        return image
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


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
    return unet.run(network, unet.signed(image), channels=1)[..., 0]
