"""Faded light and colour: how faded a photo is, and bringing back what is missing, no more."""

from __future__ import annotations

import cv2
import numpy as np

from providers.engine.embedded.fields import Mask, Pixels, Plane, smoothstep

# Lab units: colours of one lightness differ by less in a grey or toned print. Up to 5 was measured
# there; 10 in a white llama with pink ears, 11 in an autochrome, 12 and more in colour photos.
_MONO_SPREAD = 7.0
_BANDS = 16
_FEWEST = 800  # pixels of a band that tell anything
_MOST_MARKED = 0.6  # of the picture
# Paper and dyes that fade lose their blacks first: the darkest per cent of a sound photo lies
# below 25 grey levels, of an old print at 60 to 90.
_SOUND_BLACK, _FADED_BLACK = 35.0, 60.0
_SOME_CONTRAST = 40.0  # grey levels; with fewer there is hardly anything to bring back
# A modern photo of something white has no blacks either. Its lights are white, not cream.
_HIGH_KEY, _WHITE_CHROMA = 190.0, 2.0
_MAX_GAIN = 2.2  # of a colour channel
_MAX_LIGHT_GAIN = 1.7  # more would show every crack and stain of a toned print
_FULL_RANGE, _DARKEST = 94.0, 3.0  # of lightness, 0..100
_LOCAL, _LOCAL_OF_COLOURS = 0.2, 0.35  # share of local contrast
_STRETCH = 0.88  # share of the full range given to each colour channel
_GREY_WORLD = 0.60  # share of the way to grey on average
_SATURATION = 1.10  # times the colours


def is_mono(image: Pixels, *, marked: Mask) -> bool:
    """Whether the photo is black-and-white or toned in one colour (sepia).

    marked: not 0 where damage shows the paper, whose colour is not the photo's.

    A toned print has one colour at each lightness, from its brown to its cream; so colours are
    compared between pixels of equal lightness.
    """
    lab = cv2.cvtColor(cv2.GaussianBlur(image, (0, 0), 2), cv2.COLOR_BGR2LAB)
    near = cv2.dilate((marked > 0).astype(np.uint8), np.ones((9, 9), np.uint8))
    lab = lab[near == 0] if np.mean(near) < _MOST_MARKED else lab.reshape(-1, 3)
    band = lab[:, 0].astype(int) * _BANDS // 256
    chroma = lab[:, 1:].astype(np.float32)
    spread = []
    for each in range(_BANDS):
        here, about = chroma[band == each], chroma[np.abs(band - each) <= 1]
        if len(here) > 0 and len(about) > _FEWEST:
            spread.append(np.linalg.norm(here - np.median(about, axis=0), axis=1))
    return not spread or bool(np.percentile(np.concatenate(spread), 99) < _MONO_SPREAD)


def fading(image: Pixels) -> float:
    """0 for a photo with real blacks, or for a blank page; 1 for a faded photo."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    black, white = np.percentile(grey, (1, 99))
    if _high_key(image, grey):
        return 0.0
    faded = smoothstep((black - _SOUND_BLACK) / (_FADED_BLACK - _SOUND_BLACK))
    return float(faded * smoothstep((white - black) / _SOME_CONTRAST))


def recover(image: Pixels, amount: float, *, mono: bool) -> Pixels:
    """The picture with contrast and, unless `mono`, colours restored by `amount` (0..1).

    A toned print keeps its tone: it was never grey.
    """
    if amount <= 0.0:
        return image
    restored = _recover_light(image) if mono else _recover_colours(image)
    return np.asarray(cv2.addWeighted(restored, amount, image, 1.0 - amount, 0))


def _high_key(image: Pixels, grey: Pixels) -> bool:
    if float(np.median(grey)) < _HIGH_KEY:
        return False
    lightest = image[grey >= np.percentile(grey, 90)][None]
    lab = cv2.cvtColor(lightest.astype(np.float32) / 255.0, cv2.COLOR_BGR2LAB)
    return bool(np.linalg.norm(np.median(lab[0, :, 1:], axis=0)) < _WHITE_CHROMA)


def _recover_light(image: Pixels) -> Pixels:
    lab = cv2.cvtColor(image.astype(np.float32) / 255.0, cv2.COLOR_BGR2LAB)
    light = lab[..., 0]
    low, high = np.percentile(light, (0.6, 99.4))
    gain = float(np.clip(_FULL_RANGE / max(high - low, 1.0), 1.0, _MAX_LIGHT_GAIN))
    # What the gain does not fill stays below and above as it was.
    spare = max(0.0, _FULL_RANGE - gain * (high - low))
    darkest = _DARKEST + spare * low / max(1.0, low + 100.0 - high)
    stretched = np.clip((light - low) * gain + darkest, 0.0, 100.0)
    local = cv2.createCLAHE(1.2, (4, 4)).apply((stretched * 2.55).astype(np.uint8)) / 2.55
    lab[..., 0] = stretched * (1.0 - _LOCAL) + local * _LOCAL
    return _bytes(cv2.cvtColor(lab, cv2.COLOR_LAB2BGR) * 255.0)


def _recover_colours(image: Pixels) -> Pixels:
    balanced = _bytes(_neutral(_stretched(image.astype(np.float32))))
    lab = cv2.cvtColor(balanced, cv2.COLOR_BGR2LAB)
    local = cv2.createCLAHE(1.5, (6, 6)).apply(lab[..., 0])
    lab[..., 0] = cv2.addWeighted(lab[..., 0], 1.0 - _LOCAL_OF_COLOURS, local, _LOCAL_OF_COLOURS, 0)
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
