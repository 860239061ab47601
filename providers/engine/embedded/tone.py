"""Faded light and colour: how faded a photo is, and bringing back what is missing, no more."""

from __future__ import annotations

import cv2
import numpy as np

from providers.engine.embedded.fields import Pixels, Plane, smoothstep

_MONO_SPREAD = 7.0  # Lab units: the colours of a grey or toned print differ by less
# Paper and dyes that fade lose their blacks first: the darkest per cent of a sound photo lies
# below 25 grey levels, of an old print at 60 to 90.
_SOUND_BLACK, _FADED_BLACK = 35.0, 60.0
_SOME_CONTRAST = 40.0  # grey levels; with fewer there is hardly anything to bring back
_MAX_GAIN = 2.2
_STRETCH = 0.88
_GREY_WORLD = 0.60
_SATURATION = 1.10
_WARMTH = np.array([0.985, 1.0, 1.01], np.float32)  # BGR: a print, not a photocopy


def is_mono(image: Pixels) -> bool:
    """Whether the photo is black-and-white or toned in one colour (sepia)."""
    calm = cv2.GaussianBlur(image, (0, 0), 2)
    chroma = cv2.cvtColor(calm, cv2.COLOR_BGR2LAB)[..., 1:].reshape(-1, 2).astype(np.float32)
    distance = np.abs(chroma - np.median(chroma, axis=0))
    return bool(np.percentile(distance, 95) < _MONO_SPREAD)


def fading(image: Pixels) -> float:
    """0 for a photo with real blacks, or for a blank page; 1 for a faded photo."""
    black, white = np.percentile(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (1, 99))
    faded = smoothstep((black - _SOUND_BLACK) / (_FADED_BLACK - _SOUND_BLACK))
    return float(faded * smoothstep((white - black) / _SOME_CONTRAST))


def recover(image: Pixels, amount: float, *, mono: bool) -> Pixels:
    """The picture with contrast and, unless `mono`, colours restored by `amount` (0..1)."""
    if amount <= 0.0:
        return image
    restored = _recover_light(image) if mono else _recover_colours(image)
    return np.asarray(cv2.addWeighted(restored, amount, image, 1.0 - amount, 0))


def _recover_light(image: Pixels) -> Pixels:
    grey = image[:, :, 0].astype(np.float32)
    low, high = np.percentile(grey, (0.6, 99.4))
    stretched = _bytes((grey - low) / max(high - low, 60.0) * 243.0 + 6.0)
    local = cv2.createCLAHE(1.6, (6, 6)).apply(stretched)
    toned = cv2.addWeighted(stretched, 0.6, local, 0.4, 0)
    return _bytes(cv2.cvtColor(toned, cv2.COLOR_GRAY2BGR) * _WARMTH)


def _recover_colours(image: Pixels) -> Pixels:
    balanced = _bytes(_neutral(_stretched(image.astype(np.float32))))
    lab = cv2.cvtColor(balanced, cv2.COLOR_BGR2LAB)
    local = cv2.createCLAHE(1.5, (6, 6)).apply(lab[..., 0])
    lab[..., 0] = cv2.addWeighted(lab[..., 0], 0.65, local, 0.35, 0)
    lab[..., 1:] = _bytes((lab[..., 1:].astype(np.float32) - 128.0) * _SATURATION + 128.0)
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2BGR))


def _stretched(colours: Plane) -> Plane:
    """Each channel spread over the full range: dyes fade at different speeds."""
    low = np.percentile(colours, 0.7, axis=(0, 1))
    high = np.percentile(colours, 99.3, axis=(0, 1))
    gain = np.clip(245.0 / np.maximum(high - low, 1.0), 1.0, _MAX_GAIN)
    full = (colours - low) * gain + 5.0
    mixed: Plane = np.clip(colours * (1.0 - _STRETCH) + full * _STRETCH, 0.0, 255.0)
    return mixed.astype(np.float32)


def _neutral(colours: Plane) -> Plane:
    """Part of the way to grey on average, judged by the less colourful middle tones."""
    light = colours.mean(axis=-1)
    colourfulness = colours.max(axis=-1) - colours.min(axis=-1)
    middle = (light > 40) & (light < 225)
    middle &= colourfulness < np.percentile(colourfulness, 60)
    judged = colours[middle] if np.count_nonzero(middle) > 500 else colours.reshape(-1, 3)
    mean = judged.mean(axis=0)
    gain = np.clip(mean.mean() / np.maximum(mean, 1.0), 0.8, 1.25)
    balanced: Plane = colours * (1.0 + _GREY_WORLD * (gain - 1.0))
    return balanced


def _bytes(values: Plane) -> Pixels:
    rounded: Pixels = np.clip(values, 0.0, 255.0).astype(np.uint8)
    return rounded
