"""What makes a photo an old print and the print a scan: tone, fading, grain, stains, blur, JPEG."""

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lab.training.shapes import between, noise
from lab.training.sheet import Colours

TONES = ("colour", "grey", "toned", "faded colour")
_TONE_CHANCES = (0.22, 0.30, 0.36, 0.12)
_LUMA = np.array([0.114, 0.587, 0.299], np.float32)


def draw_tone(rng: Generator) -> str:
    """One of TONES."""
    return str(rng.choice(TONES, p=_TONE_CHANCES))


def toned(picture: Colours, rng: Generator, tone: str) -> Colours:
    """The picture as a print of that kind: silver is grey, sepia runs from a brown to a cream."""
    if tone == "colour":
        return picture
    if tone == "faded colour":
        grey = picture.mean(axis=-1, keepdims=True)
        cast = [between(rng, -20, 15), between(rng, -10, 10), between(rng, -5, 25)]
        faded = grey + (picture - grey) * between(rng, 0.3, 0.9) + np.array(cast)
        return faded.astype(np.float32)
    luma = (picture @ _LUMA)[..., None]
    if tone == "grey":
        return np.repeat(luma, 3, axis=2)
    dark = np.array([between(rng, 8, 50), between(rng, 15, 60), between(rng, 25, 75)])
    light = np.array([between(rng, 150, 235), between(rng, 185, 245), between(rng, 210, 255)])
    share = np.clip(luma / 255, 0, 1) ** between(rng, 0.8, 1.3)
    return (dark + (light - dark) * share).astype(np.float32)


def aged(picture: Colours, rng: Generator) -> Colours:
    """Soft lens, lost contrast, the grain of the film: each most of the time."""
    if rng.random() < 0.6:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), between(rng, 0.4, 1.4)))
    if rng.random() < 0.6:
        mean = float(picture.mean())
        level = float(np.clip(mean + rng.normal(0, 22), 40, 215))
        picture = (picture - mean) * between(rng, 0.45, 1.05) + level
    if rng.random() < 0.5:
        grain = rng.standard_normal(picture.shape[:2], np.float32) * between(rng, 2, 11)
        picture = picture + cv2.GaussianBlur(grain, (0, 0), between(rng, 0.4, 1.0))[..., None]
    return np.clip(picture, 0, 255).astype(np.float32)


def stained(picture: Colours, rng: Generator) -> Colours:
    """Brown water stains, some with a dark rim: old, but nothing that painting over could mend."""
    field = noise(rng, picture.shape, between(rng, 30, 120))
    wet = np.clip((field - between(rng, 0.3, 1.2)) * between(rng, 1, 20), 0, 1)[..., None]
    tint = np.array([between(rng, 0.6, 1), between(rng, 0.75, 1), between(rng, 0.85, 1.02)])
    picture = picture * (1 - wet) + picture * tint * wet
    if rng.random() < 0.5:
        rim = np.exp(-(((field - between(rng, 0.3, 1.2)) * between(rng, 5, 25)) ** 2))
        picture = picture - (rim * between(rng, 5, 35))[..., None]
    return picture.astype(np.float32)


def scanned(picture: Colours, rng: Generator) -> NDArray[np.uint8]:
    """As a scanner or a telephone sees the print: blur, sharpening, noise, JPEG."""
    if rng.random() < 0.6:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), between(rng, 0.3, 0.95)))
    if rng.random() < 0.25:
        soft = cv2.GaussianBlur(picture, (0, 0), 1.2)
        picture = picture + (picture - soft) * between(rng, 0.3, 1.2)
    if rng.random() < 0.5:
        specks = rng.standard_normal(picture.shape[:2], np.float32) * between(rng, 0.5, 5)
        picture = picture + specks[..., None]
    if rng.random() < 0.3:
        picture = (picture - 128) * between(rng, 0.8, 1.15) + 128 + between(rng, -15, 15)
    scan = np.clip(picture, 0, 255).astype(np.uint8)
    if rng.random() < 0.75:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(45, 97))]
        _, coded = cv2.imencode(".jpg", scan, quality)
        scan = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return scan
