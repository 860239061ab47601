"""Draws the damage of old prints: scratches, creases, cracks, lost emulsion, dust, fibres.

Every function takes the random generator, so a seed gives the same damage again.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Grey = NDArray[np.float32]
"""A picture in grey levels 0..255."""

Layer = NDArray[np.uint8]
"""Coverage of one mark, 0..255 with soft edges."""

_SUBPIXEL_BITS = 3
_VISIBLE_LEVELS = 5.0
_OPAQUE = 0.6


@dataclass
class Sheet:
    """A picture being damaged and the mask of what has been damaged so far (0 or 1)."""

    grey: Grey
    mask: Grey

    def lay(self, layer: Layer, tone: float, opacity: float, softness: float) -> None:
        """Blend a mark of one tone over the picture and note what of it can be seen.

        A white scratch on white paper is not damage: a pixel counts only when it changed by more
        than a few grey levels, or lies under a nearly opaque mark.
        """
        cover = layer.astype(np.float32) / 255
        if softness > 0.3:
            cover = cv2.GaussianBlur(cover, (0, 0), softness)
        alpha = cover * opacity
        after = self.grey * (1 - alpha) + tone * alpha
        seen = (np.abs(after - self.grey) > _VISIBLE_LEVELS) | (alpha > _OPAQUE)
        self.grey = after.astype(np.float32)
        self.mask = np.maximum(self.mask, ((cover > 0.35) & seen).astype(np.float32))


def damage_crop(grey: Grey, rng: Generator) -> tuple[Grey, Grey]:
    """Return a damaged copy of a training crop and its mask."""
    sheet = Sheet(grey.astype(np.float32), np.zeros(grey.shape, np.float32))
    for _ in range(int(rng.integers(0, 6))):
        draw_scratch(sheet, rng)
    for chance, draw in _RARE:
        if rng.random() < chance:
            draw(sheet, rng)
    _dust(sheet, rng, int(rng.choice([0, 3, 12, 30], p=[0.35, 0.3, 0.25, 0.1])))
    return sheet.grey, sheet.mask


def damage_print(grey: Grey, rng: Generator) -> tuple[Grey, Grey]:
    """Return a whole damaged photo and its mask: the amounts of a badly kept family print."""
    sheet = Sheet(grey.astype(np.float32), np.zeros(grey.shape, np.float32))
    height, width = grey.shape
    for _ in range(int(rng.integers(6, 14))):
        draw_scratch(sheet, rng, length=float(rng.uniform(0.15, 0.8) * height))
    for _ in range(int(rng.integers(1, 4))):
        _crease(sheet, rng)
    for _ in range(int(rng.integers(1, 4))):
        _fibre(sheet, rng)
    _lost_emulsion(sheet, rng)
    _dust(sheet, rng, round(height * width / 4000))
    return sheet.grey, sheet.mask


def draw_scratch(sheet: Sheet, rng: Generator, length: float | None = None) -> None:
    """Draw one scratch, mostly a bright one; `length` in pixels, random if not given."""
    height, width = sheet.grey.shape
    upright = rng.random() < 0.6
    angle = rng.normal(np.pi / 2, 0.3) if upright else rng.uniform(0, np.pi)
    start = rng.uniform(-10, np.array([width, height]) + 10)
    path = _path(
        rng,
        start=start,
        angle=float(angle),
        length=length or float(rng.uniform(25, 260)),
        steps=int(rng.integers(4, 40)),
        curl=float(rng.uniform(0, 0.08)),
        jitter=float(rng.uniform(0, 1.3)),
    )
    layer = _stroke(sheet, path, int(rng.choice([1, 1, 1, 2, 2, 3, 4])))
    if rng.random() < 0.3:
        layer = _break_up(layer, rng)
    sheet.lay(layer, _tone(rng, 0.72), float(rng.uniform(0.45, 1)), float(rng.uniform(0, 0.9)))


def age_print(grey: Grey, rng: Generator) -> Grey:
    """Fade, stain and blur a sound photo before it is damaged."""
    soft = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), float(rng.uniform(0.6, 1.2)))
    mean = float(soft.mean())
    faded = (soft - mean) * float(rng.uniform(0.6, 0.9)) + mean + float(rng.uniform(-5, 25))
    stain = rng.normal(0, rng.uniform(2, 9), (6, 6)).astype(np.float32)
    size = (grey.shape[1], grey.shape[0])
    return np.asarray(faded + cv2.resize(stain, size, interpolation=cv2.INTER_CUBIC), np.float32)


def grain_and_jpeg(grey: Grey, rng: Generator, strongest: float = 13.0) -> Grey:
    """Add film grain and the traces of a JPEG scan, each most of the time."""
    if rng.random() < 0.7:
        noise = rng.normal(0, rng.uniform(2, strongest), grey.shape).astype(np.float32)
        grey = grey + cv2.GaussianBlur(noise, (0, 0), float(rng.uniform(0.3, 0.9)))
    whole = np.clip(grey, 0, 255)
    if rng.random() < 0.7:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(45, 96))]
        _, coded = cv2.imencode(".jpg", whole.astype(np.uint8), quality)
        whole = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.float32)
    return np.asarray(whole, np.float32)


def _crack(sheet: Sheet, rng: Generator) -> None:
    height, width = sheet.grey.shape
    start = rng.uniform(0, np.array([width, height]))
    angle = float(rng.uniform(0, 2 * np.pi))
    layer = np.zeros(sheet.grey.shape, np.uint8)
    for branch in range(int(rng.integers(1, 4))):
        path = _path(
            rng,
            start=start,
            angle=angle + float(rng.normal(0, 0.6)) * branch,
            length=float(rng.uniform(60, 240)),
            steps=30,
            curl=0.12,
            jitter=float(rng.uniform(0.4, 1.6)),
        )
        layer |= _stroke(sheet, path, int(rng.choice([2, 3, 4, 5, 7, 9])))
    sheet.lay(layer, _tone(rng, 0.8), float(rng.uniform(0.7, 1)), float(rng.uniform(0, 1)))


def _crease(sheet: Sheet, rng: Generator) -> None:
    """A fold runs across the whole print; its shadow beside it is not a mark to repair."""
    height, width = sheet.grey.shape
    across = rng.random() < 0.5
    start = np.array([rng.uniform(0, width), -4.0] if across else [-4.0, rng.uniform(0, height)])
    path = _path(
        rng,
        start=start,
        angle=float(rng.normal(np.pi / 2 if across else 0, 0.1)),
        length=1.15 * (height if across else width),
        steps=max(8, (height if across else width) // 7),
        curl=0.02,
        jitter=float(rng.uniform(0.2, 1.4)),
    )
    shadow = _stroke(sheet, path + 3 * 2**_SUBPIXEL_BITS, 5).astype(np.float32) / 255
    shade = cv2.GaussianBlur(shadow, (0, 0), 4.0) * rng.uniform(-30, 20)
    sheet.grey = (sheet.grey + shade).astype(np.float32)
    layer = _stroke(sheet, path, int(rng.choice([1, 2, 3, 4, 6])))
    if rng.random() < 0.5:
        layer = _break_up(layer, rng)
    sheet.lay(layer, _tone(rng, 0.85), float(rng.uniform(0.6, 1)), float(rng.uniform(0, 0.8)))


def _lost_emulsion(sheet: Sheet, rng: Generator) -> None:
    """A flake: the paper shows through in a patch with a ragged edge."""
    height, width = sheet.grey.shape
    reach = float(rng.uniform(5, 16))
    turns = np.linspace(0, 2 * np.pi, 18, endpoint=False)
    radii = reach * np.clip(rng.normal(1, 0.3, turns.size), 0.3, 2)
    centre = rng.uniform(0, np.array([width, height]))
    outline = centre + np.stack([np.cos(turns), np.sin(turns)], 1) * radii[:, None]
    layer = np.zeros(sheet.grey.shape, np.uint8)
    points = (outline * 2**_SUBPIXEL_BITS).astype(np.int32)
    cv2.fillPoly(layer, [points], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    sheet.lay(layer, _tone(rng, 0.85), float(rng.uniform(0.8, 1)), float(rng.uniform(0, 0.8)))


def _fibre(sheet: Sheet, rng: Generator) -> None:
    height, width = sheet.grey.shape
    path = _path(
        rng,
        start=rng.uniform(10, np.array([width, height]) - 10),
        angle=float(rng.uniform(0, 2 * np.pi)),
        length=float(rng.uniform(40, 120)),
        steps=40,
        curl=0.22,
        jitter=0.1,
    )
    sheet.lay(_stroke(sheet, path, 1), _tone(rng, 0.5), float(rng.uniform(0.5, 1)), 0.4)


def _dust(sheet: Sheet, rng: Generator, most: int) -> None:
    height, width = sheet.grey.shape
    for bright in (1.0, 0.0):
        layer = np.zeros(sheet.grey.shape, np.uint8)
        for _ in range(int(rng.integers(0, most + 1))):
            radius = float(rng.uniform(0.7, 4.2)) * 2**_SUBPIXEL_BITS
            centre = rng.uniform(0, np.array([width, height])) * 2**_SUBPIXEL_BITS
            axes = (int(radius), int(radius * rng.uniform(0.5, 1)))
            spot = (int(centre[0]), int(centre[1]))
            turn = float(rng.uniform(0, 180))
            cv2.ellipse(layer, spot, axes, turn, 0, 360, 255, -1, cv2.LINE_AA, _SUBPIXEL_BITS)
        if layer.any():
            opacity, softness = float(rng.uniform(0.5, 1)), float(rng.uniform(0, 0.8))
            sheet.lay(layer, _tone(rng, bright), opacity, softness)


_RARE: tuple[tuple[float, Callable[[Sheet, Generator], None]], ...] = (
    (0.22, _crack),
    (0.18, _crease),
    (0.15, _fibre),
    (0.10, _lost_emulsion),
)


def _tone(rng: Generator, chance_bright: float) -> float:
    bright = rng.random() < chance_bright
    return float(rng.uniform(190, 255) if bright else rng.uniform(0, 55))


def _break_up(layer: Layer, rng: Generator) -> Layer:
    """Break a line up, like a scratch that touches only the high spots of the paper."""
    coarse = rng.random((layer.shape[0] // 6 + 2, layer.shape[1] // 6 + 2)).astype(np.float32)
    size = (layer.shape[1], layer.shape[0])
    keep = cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR) > rng.uniform(0.2, 0.5)
    return np.asarray(layer * keep, np.uint8)


def _path(
    rng: Generator,
    start: NDArray[np.float64],
    *,
    angle: float,
    length: float,
    steps: int,
    curl: float,
    jitter: float,
) -> NDArray[np.int32]:
    angles = angle + np.concatenate([[0.0], np.cumsum(rng.normal(0, curl, steps - 1))])
    moves = np.stack([np.cos(angles), np.sin(angles)], 1) * length / steps
    points = start + np.cumsum(moves + rng.normal(0, jitter, moves.shape), axis=0)
    return np.asarray(np.concatenate([start[None], points]) * 2**_SUBPIXEL_BITS, np.int32)


def _stroke(sheet: Sheet, path: NDArray[np.int32], width: int) -> Layer:
    layer = np.zeros(sheet.grey.shape, np.uint8)
    cv2.polylines(layer, [path], False, 255, width, cv2.LINE_AA, _SUBPIXEL_BITS)
    return layer
