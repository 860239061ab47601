"""Painting over marks: narrow ones as a network guesses, wide ones with pieces of the photo."""

from __future__ import annotations

import cv2
import numpy as np
from patchmatch import patch_match

from providers.engine.embedded import looks, unet
from providers.engine.embedded.fields import Mask, Pixels, Plane, Planes

NETWORK = "filler.onnx"
_RADIUS = 3  # pixels around a mark from which Navier-Stokes continues the picture
# Pixels from the rim to the middle: such marks leave no room for texture; pieces for them too would
# take five times as long.
_NARROW = 4.8
_PIECE = 2  # radius of the pieces that are compared
_SEED = 1  # a photo comes out the same every time
_GRAIN_SOFTNESS = 0.6


def fill(image: Pixels, mask: Mask) -> Pixels:
    """The picture with everything painted over where `mask` is 255.

    A network guesses how lines and tones go on across a mark, and the grain of the photo is given
    back, as a smooth line would show; wide marks are made of pieces of the photo itself, which have
    grain and texture.
    """
    if not mask.any():
        return image
    size = (image.shape[1], image.shape[0])
    inside = (mask > 0).astype(np.float32)
    continued = fill_smoothly(image, mask)
    small, cover = looks.sized(continued), looks.sized(mask)
    added = _added(small, cover)
    made = cv2.resize(added, size)
    made *= inside[..., None]
    made += continued
    grain = _grain(image, mask) * cv2.GaussianBlur(inside, (0, 0), 0.7)
    # By half covered pixels, as by those covered in part narrow marks would be wide.
    wide = wide_parts(np.where(cover > 127, 255, 0).astype(np.uint8))
    if wide.any():
        pieces = cv2.resize(_from_pieces(_bytes(small + added), wide), size)
        share = cv2.resize(cv2.GaussianBlur((wide > 0).astype(np.float32), (0, 0), 1.5), size)
        made += (pieces - made) * share[..., None]
        if small is continued:  # pieces that had to be enlarged have lost their grain
            grain *= 1.0 - share
    made += grain[..., None]
    filled = image.copy()
    filled[mask > 0] = _bytes(made[mask > 0])
    return filled


def fill_smoothly(image: Pixels, mask: Mask) -> Pixels:
    """The same from the rims alone: quick, enough for looking at the photo once more."""
    return np.asarray(cv2.inpaint(image, mask, _RADIUS, cv2.INPAINT_NS))


def wide_parts(mask: Mask) -> Mask:
    """255 on the parts of a mask that are filled with pieces; its photo is sized by looks.sized."""
    core = (cv2.distanceTransform(mask, cv2.DIST_L2, 3) > _NARROW).astype(np.uint8)
    whole = 2 * round(_NARROW) + 1
    return np.asarray(cv2.dilate(255 * core, np.ones((whole, whole), np.uint8)) & mask)


def _added(continued: Pixels, cover: Mask) -> Planes:
    """What the network adds to a picture that is filled from the rims; grey levels.

    cover: 255 where a pixel is wholly in a hole, less where in part.
    """
    hole = (cover > 0).astype(np.float32)[..., None]
    planes = np.concatenate([unet.signed(continued), hole], axis=2)
    added = 64.0 * hole * unet.run(NETWORK, planes, channels=3, where=cover)
    if not np.ptp(continued, axis=2).any():
        added = added.mean(axis=2, keepdims=True).repeat(3, axis=2)  # grey stays grey
    return np.asarray(added)


def _from_pieces(image: Pixels, mask: Mask) -> Pixels:
    patch_match.set_random_seed(_SEED)
    return np.asarray(patch_match.inpaint(image, mask, patch_size=_PIECE))


def _bytes(levels: Planes) -> Pixels:
    return np.clip(levels + 0.5, 0, 255).astype(np.uint8)


def _grain(image: Pixels, mask: Mask) -> Plane:
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
