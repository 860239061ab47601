"""Painting over marks: narrow ones from their rims, wide ones with pieces of the same photo."""

from __future__ import annotations

import cv2
import numpy as np
from patchmatch import patch_match

from providers.engine.embedded.fields import Pixels, Plane

_RADIUS = 3  # pixels around a mark from which Navier-Stokes continues the picture
# Pixels from the rim to the middle, at _SEARCH_SIDE: such marks leave no room for texture; pieces
# for them too would take five times as long.
_NARROW = 4.8
# Pieces of the photo are searched at this size: at 1900 pixels that takes half a minute.
_SEARCH_SIDE = 1000
_PIECE = 2  # radius of the pieces that are compared
_SEED = 1  # a photo comes out the same every time
_GRAIN_SOFTNESS = 0.6


def fill(image: Pixels, mask: Pixels) -> Pixels:
    """The picture with everything painted over where `mask` is 255.

    Narrow marks continue what is around them and get the grain of the photo, as a smooth line
    would show; wide ones are made of pieces of the photo itself, which have grain and texture.
    """
    if not mask.any():
        return image
    continued = fill_smoothly(image, mask)
    smooth = continued.astype(np.float32)
    wide = _wide(mask)
    if wide.any():
        pieces = _from_pieces(continued, wide).astype(np.float32)
        share = cv2.GaussianBlur((wide > 0).astype(np.float32), (0, 0), 1.5)[..., None]
        smooth = smooth * (1.0 - share) + pieces * share
    else:
        share = np.zeros((*mask.shape, 1), np.float32)
    inside = cv2.GaussianBlur((mask > 0).astype(np.float32), (0, 0), 0.7)[..., None]
    grained = smooth + _grain(image, mask)[..., None] * inside * (1.0 - share)
    return np.where(mask[..., None] > 0, np.clip(grained, 0, 255), image).astype(np.uint8)


def fill_smoothly(image: Pixels, mask: Pixels) -> Pixels:
    """The same from the rims alone: quick, enough for looking at the photo once more."""
    return np.asarray(cv2.inpaint(image, mask, _RADIUS, cv2.INPAINT_NS))


def _wide(mask: Pixels) -> Pixels:
    reach = _NARROW * max(1.0, max(mask.shape) / _SEARCH_SIDE)
    core = (cv2.distanceTransform(mask, cv2.DIST_L2, 3) > reach).astype(np.uint8)
    whole = 2 * round(reach) + 1
    return np.asarray(cv2.dilate(255 * core, np.ones((whole, whole), np.uint8)) & mask)


def _from_pieces(image: Pixels, mask: Pixels) -> Pixels:
    scale = _SEARCH_SIDE / max(mask.shape)
    small, holes = image, mask
    if scale < 1.0:
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        size = (small.shape[1], small.shape[0])
        holes = np.where(cv2.resize(mask, size, interpolation=cv2.INTER_AREA) > 0, 255, 0)
    patch_match.set_random_seed(_SEED)
    made = patch_match.inpaint(small, holes.astype(np.uint8), patch_size=_PIECE)
    if scale < 1.0:
        size = (image.shape[1], image.shape[0])
        made = cv2.resize(made, size, interpolation=cv2.INTER_CUBIC)
    return np.asarray(made)


def _grain(image: Pixels, mask: Pixels) -> Plane:
    """Noise like the photo's own around the marks, grey levels."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
    detail = grey - cv2.GaussianBlur(grey, (0, 0), 1.2)
    sound = (cv2.dilate(mask, np.ones((5, 5), np.uint8)) == 0).astype(np.float32)
    power = cv2.blur(detail * detail * sound, (9, 9)) / np.maximum(cv2.blur(sound, (9, 9)), 0.05)
    # Where the picture is flattest there is nothing but grain. Rounding may leave less than 0.
    amount = np.sqrt(np.maximum(power, 0.0))[sound > 0]
    if amount.size == 0:
        return np.zeros_like(grey)
    white = np.random.default_rng(_SEED).standard_normal(grey.shape, np.float32)
    noise = cv2.GaussianBlur(white, (0, 0), _GRAIN_SOFTNESS)
    noise -= cv2.GaussianBlur(noise, (0, 0), 1.2)
    return np.asarray(noise * (float(np.percentile(amount, 30)) / float(noise.std())))
