"""Film grain and scanner noise: how much there is, and less of it without waxy skin."""

from __future__ import annotations

import cv2
import numpy as np

from providers.engine.embedded.fields import Pixels

_VISIBLE = 2.8  # grey levels: less is left alone
_STRONGEST = 9.0  # beyond it faces turn to wax
_KEPT = 0.35  # share of the original put back, so that skin keeps its texture
_LARGE = 640  # pixels of the longer side
_COLOUR_BLOTCH = 5.0  # pixels: what colour noise averages out over, and a flush on a cheek does not
_FAINT = 1.8  # grey levels: the little that remains to be done would cost more than it gives


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
    # Of a small picture every second pixel is an eyelash or a stitch; its grain is the enlarger's.
    strength *= min(1.0, max(image.shape[:2]) / _LARGE)
    if strength <= _FAINT:
        return image
    smooth = _non_local_means(image, strength, mono=mono)
    return np.asarray(cv2.addWeighted(smooth, 1.0 - _KEPT, image, _KEPT, 0))


def _non_local_means(image: Pixels, strength: float, *, mono: bool) -> Pixels:
    luma = min(_STRONGEST, 0.8 * strength)
    if mono:
        lab = cv2.cvtColor(image, cv2.COLOR_BGR2LAB)
        lab[..., 0] = cv2.fastNlMeansDenoising(lab[..., 0].copy(), None, luma, 5, 17)
        return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2BGR))
    chroma = min(12.0, 1.5 * strength)
    smooth = cv2.fastNlMeansDenoisingColored(image, None, luma, chroma, 5, 17)
    return _with_colours_of(image, smooth)


def _with_colours_of(image: Pixels, smooth: Pixels) -> Pixels:
    """Give back what was taken of the colours themselves: noise has none, on average.

    Otherwise the rose of cheeks and lips goes with the specks.
    """
    before, after = (cv2.cvtColor(each, cv2.COLOR_BGR2LAB) for each in (image, smooth))
    taken = before[..., 1:].astype(np.float32) - after[..., 1:]
    after[..., 1:] = np.clip(
        after[..., 1:] + cv2.GaussianBlur(taken, (0, 0), _COLOUR_BLOTCH) + 0.5, 0, 255
    ).astype(np.uint8)
    return np.asarray(cv2.cvtColor(after, cv2.COLOR_LAB2BGR))
