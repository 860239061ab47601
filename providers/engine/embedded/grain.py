"""Film grain and scanner noise: how much there is, and less of it without waxy skin."""

from __future__ import annotations

import cv2
import numpy as np

from providers.engine.embedded.fields import Pixels

_VISIBLE = 2.8  # grey levels: less is left alone
_STRONGEST = 9.0  # beyond it faces turn to wax
_KEPT = 0.15  # share of the original put back, so that skin keeps its texture
_SPECK = 2.2  # times sigma: such a difference from the neighbours is no grain but a speck


def sigma(image: Pixels) -> float:
    """Standard deviation of the grain, grey levels.

    Taken where the picture is flattest; a Laplacian estimate is fooled by JPEG blocks.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
    mean = cv2.blur(grey, (7, 7))
    variance = np.maximum(cv2.blur(grey * grey, (7, 7)) - mean * mean, 0.0)
    unclipped = (mean > 20) & (mean < 235)
    if np.count_nonzero(unclipped) <= 500:
        return 0.0
    return float(np.percentile(np.sqrt(variance[unclipped]), 18))


def reduce(image: Pixels, strength: float, *, mono: bool) -> Pixels:
    """The picture with grain of `strength` (see sigma) reduced; the same below a visible amount."""
    if strength <= _VISIBLE:
        return image
    smooth = _non_local_means(image, strength, mono=mono)
    blended = cv2.addWeighted(smooth, 1.0 - _KEPT, image, _KEPT, 0)
    # Specks beside repaired marks survive non-local means: nothing else looks like them.
    outstanding = cv2.absdiff(image, cv2.medianBlur(image, 3)).max(axis=-1) > _SPECK * strength
    specks = cv2.dilate(outstanding.astype(np.uint8), np.ones((2, 2), np.uint8)) > 0
    blended[specks] = cv2.medianBlur(smooth, 5)[specks]
    return np.asarray(blended)


def _non_local_means(image: Pixels, strength: float, *, mono: bool) -> Pixels:
    luma = min(_STRONGEST, 0.95 * strength)
    if mono:
        grey = cv2.fastNlMeansDenoising(image[:, :, 0], None, luma, 5, 17)
        return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))
    chroma = min(12.0, 1.5 * strength)
    return np.asarray(cv2.fastNlMeansDenoisingColored(image, None, luma, chroma, 5, 17))
