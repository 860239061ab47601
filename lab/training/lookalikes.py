"""Sound things that look like damage, drawn over photos before these age.

Rigging, collars and ribbons, fences, lettering, beads, jewellery, whiskers: what a net takes for
cracks and bare paper until it has seen enough of it intact.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lab.training.shapes import between, fine, noise, size_between, somewhere, wander
from lab.training.sheet import Colours

Tone = tuple[float, float, float]


def with_lookalikes(picture: Colours, rng: Generator) -> Colours:
    """One to three of them, half of them out of focus."""
    drawings = [draw for draw, _ in _DRAWINGS]
    chances = [chance for _, chance in _DRAWINGS]
    for _ in range(int(rng.integers(1, 4))):
        draw = drawings[int(rng.choice(len(drawings), p=chances))]
        picture = draw(np.ascontiguousarray(picture, np.float32), rng)
        if rng.random() < 0.5:
            picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), between(rng, 0.4, 0.9)))
    return picture.astype(np.float32)


def _rigging(picture: Colours, rng: Generator) -> Colours:
    """A mast, and ropes that run straight or sag a little from it to the deck."""
    height, width = picture.shape[:2]
    tone = _tone(rng)
    top = np.array([between(rng, 0.1, 0.9) * width, between(rng, -0.2, 0.5) * height])
    foot = top + np.array([rng.normal(0, 4), between(rng, 0.5, 1.2) * height])
    _line(picture, np.array([top, foot]), tone, int(rng.integers(1, 5)))
    for _ in range(int(rng.integers(1, 9))):
        start = top + (foot - top) * between(rng, 0, 0.5)
        end = np.array([top[0] + rng.normal(0, 0.5) * width, foot[1] + rng.normal(0, 0.1) * height])
        share = np.linspace(0, 1, 12)[:, None]
        rope = start * (1 - share) + end * share
        rope[:, 1] += np.sin(np.pi * share[:, 0]) * between(rng, -2, 18)
        own = tone if rng.random() < 0.7 else _tone(rng)
        _line(picture, rope, own, int(rng.choice([1, 1, 1, 2])))
    return picture


def _cloth(picture: Colours, rng: Generator) -> Colours:
    """A collar, a bow, petals, a cuff: smooth bright cloth with a sharp outline and soft folds."""
    height, width = picture.shape[:2]
    outline = np.zeros((height, width), np.uint8)
    middle = somewhere(rng, picture.shape)
    for _ in range(int(rng.integers(1, 7))):
        turn, length = between(rng, 0, 2 * np.pi), between(rng, 0.04, 0.3) * max(height, width)
        if rng.random() < 0.5:
            tip = np.array([1, -between(rng, 0.1, 0.5)])
            flank = np.array([between(rng, 0.8, 1.3), between(rng, -0.1, 0.3)])
            base = np.array([0.5, between(rng, 0.1, 0.5)])
            piece = length * np.array([np.zeros(2), tip, flank, base])
            axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
            cv2.fillPoly(outline, [fine(piece @ axes + middle)], 255, cv2.LINE_AA, 3)
        else:
            at = middle + length / 2 * np.array([np.cos(turn), np.sin(turn)])
            radii = (int(length * 4), max(1, int(length * between(rng, 1.2, 3))))
            spot = tuple(fine(at).tolist())
            angle = float(np.degrees(turn))
            cv2.ellipse(outline, spot, radii, angle, 0, 360, 255, -1, cv2.LINE_AA, 3)
    level = between(rng, 175, 250) if rng.random() < 0.85 else between(rng, 15, 60)
    folds = noise(rng, picture.shape, between(rng, 6, 30)) * between(rng, 2, 14)
    weave = noise(rng, picture.shape, between(rng, 2, 5)) * between(rng, 0, 4)
    hue = np.array([between(rng, 0.82, 1), between(rng, 0.93, 1), 1.0])
    cloth = (level + folds + weave)[..., None] * hue
    if rng.random() < 0.5:
        move = np.array([[1, 0, rng.normal(0, 3)], [0, 1, between(rng, 0, 4)]], np.float32)
        cast = cv2.warpAffine(outline, move, (width, height)).astype(np.float32) / 255
        soft = cv2.GaussianBlur(cast, (0, 0), between(rng, 1, 4))[..., None]
        picture = picture * (1 - between(rng, 0, 0.6) * soft)
    cover = cv2.GaussianBlur(outline, (0, 0), between(rng, 0.4, 1.2)).astype(np.float32) / 255
    return picture * (1 - cover[..., None]) + cloth * cover[..., None]


def _fence(picture: Colours, rng: Generator) -> Colours:
    """Bars of a fence, a blind or a window, all of one width and at one distance."""
    turn = float(rng.choice([0, np.pi / 2])) + rng.normal(0, 0.15)
    along = np.array([np.cos(turn), np.sin(turn)])
    across = np.array([-along[1], along[0]])
    tone, width = _tone(rng), int(rng.choice([1, 1, 2, 3, 5]))
    start, distance = somewhere(rng, picture.shape), between(rng, 4, 30)
    for number in range(int(rng.integers(2, 12))):
        middle = start + across * distance * number
        half = along * between(rng, 0.3, 0.9) * max(picture.shape)
        _line(picture, np.array([middle - half, middle + half]), tone, width)
    return picture


def _lettering(picture: Colours, rng: Generator) -> Colours:
    height, width = picture.shape[:2]
    text = "".join(chr(code) for code in rng.integers(48, 123, int(rng.integers(3, 14))))
    at = (int(rng.integers(-20, width // 2)), int(rng.integers(10, height)))
    font, size = int(rng.integers(0, 8)), between(rng, 0.3, 1.8)
    cv2.putText(
        picture, text, at, font, size, _tone(rng), int(rng.choice([1, 1, 2, 3])), cv2.LINE_AA
    )
    return picture


def _beads(picture: Colours, rng: Generator) -> Colours:
    tone, radius = _tone(rng), between(rng, 1.2, 4)
    string = wander(
        rng,
        somewhere(rng, picture.shape),
        between(rng, 0, 2 * np.pi),
        between(rng, 40, 200),
        curl=0.1,
        jitter=0.02,
        step=between(rng, 4, 12),
    )
    for bead in fine(string):
        cv2.circle(picture, tuple(bead.tolist()), int(radius * 8), tone, -1, cv2.LINE_AA, 3)
    return picture


def _jewellery(picture: Colours, rng: Generator) -> Colours:
    """Rings, ear rims, spectacles, chains: bright arcs of one width, most with a dark side."""
    for _ in range(int(rng.integers(1, 4))):
        centre, radius = somewhere(rng, picture.shape), between(rng, 3, 28)
        radii = (int(radius * 8), max(6, int(radius * 8 * between(rng, 0.25, 1))))
        turn, start = between(rng, 0, 180), between(rng, 0, 360)
        end = start + between(rng, 60, 360)
        width, bright = int(rng.choice([1, 1, 2, 3])), between(rng, 170, 255)
        gold = (bright * between(rng, 0.6, 1), bright * between(rng, 0.85, 1), bright)
        if rng.random() < 0.6:
            below = tuple(fine(centre + np.array([between(rng, -1, 1), width])).tolist())
            dark = (between(rng, 10, 70),) * 3
            cv2.ellipse(picture, below, radii, turn, start, end, dark, width, cv2.LINE_AA, 3)
        at = tuple(fine(centre).tolist())
        cv2.ellipse(picture, at, radii, turn, start, end, gold, width, cv2.LINE_AA, 3)
    return picture


def _rims(picture: Colours, rng: Generator) -> Colours:
    """The lit rim of an ear, a plate, a cup, a spoon: the edge of something round before the dark.

    Brightest in the middle of the arc, and gone where it turns from the light.
    """
    height, width = picture.shape[:2]
    for _ in range(int(rng.integers(1, 4))):
        at, radius = somewhere(rng, picture.shape), size_between(rng, 6, 90)
        slim, turn = between(rng, 0.35, 1), between(rng, 0, np.pi)
        y, x = np.mgrid[:height, :width].astype(np.float32)
        along = (x - at[0]) * np.cos(turn) + (y - at[1]) * np.sin(turn)
        across = ((y - at[1]) * np.cos(turn) - (x - at[0]) * np.sin(turn)) / slim
        inside = radius - np.hypot(along, across)
        body = np.clip(inside + 0.5, 0, 1)[..., None]
        own = np.array(_tone(rng)) if rng.random() < 0.5 else np.array([0.55, 0.7, 0.9]) * 190
        share = body * between(rng, 0.3, 1)
        picture = picture * (1 - share) + own * share
        lit = np.cos(np.arctan2(across, along) - between(rng, 0, 2 * np.pi)) - between(
            rng, -0.5, 0.7
        )
        thick = size_between(rng, 0.8, 5)
        line = np.clip(1.3 - np.abs(inside - 0.7 * thick) / thick, 0, 1) * np.clip(3 * lit, 0, 1)
        picture = picture + (line * between(rng, 30, 190))[..., None]
    return np.asarray(np.clip(picture, 0, 255), np.float32)


def _braid(picture: Colours, rng: Generator) -> Colours:
    """Braid, lace, the trim of a uniform: one pattern again and again along a seam."""
    start, turn = somewhere(rng, picture.shape), between(rng, 0, 2 * np.pi)
    along, across = (np.array([np.cos(turn + a), np.sin(turn + a)]) for a in (0, np.pi / 2))
    step, reach = between(rng, 3, 14), between(rng, 3, 16)
    count, width = int(rng.integers(3, 16)), int(rng.choice([1, 1, 2, 3, 4, 5]))
    meander = np.array([[0, 0], [0, 1], [1, 1], [1, 0]])
    zigzag = np.array([[0, 0], [1 + rng.normal(0, 0.4), 1]])
    pattern = meander if rng.random() < 0.4 else zigzag
    spots = np.concatenate([pattern + (2 * number, 0) for number in range(count)])
    path = start + step * spots[:, :1] * along + reach * spots[:, 1:] * across
    tone = _tone(rng)
    if rng.random() < 0.7:  # bright on dark cloth, with piping beside it or without
        bright, dark = between(rng, 140, 245), between(rng, 10, 80)
        tone = (bright * between(rng, 0.75, 1), bright * between(rng, 0.9, 1), bright)
        seam = path[[0, -1]] + 0.5 * reach * across
        _line(picture, seam, (dark, dark, dark), int(1.6 * reach + 2 * width))
        if rng.random() < 0.4:
            side = float(rng.choice([-0.8, 0.8])) * (reach + width)
            _line(picture, seam + side * across, tone, max(1, width // 2))
    _line(picture, path, tone, width)
    return picture


def _buttons(picture: Colours, rng: Generator) -> Colours:
    """Buttons in a row: shaded discs with a dark rim and a glint, all alike."""
    radius, tone = between(rng, 1.5, 9), _tone(rng)
    start, turn = somewhere(rng, picture.shape), np.pi / 2 + rng.normal(0, 0.4)
    step = radius * between(rng, 3, 9) * np.array([np.cos(turn), np.sin(turn)])
    rim, light = between(rng, 10, 90), between(rng, 150, 255)
    for number in range(int(rng.integers(1, 7))):
        at = start + step * number + rng.normal(0, 0.2 * radius, 2)
        spot, size = tuple(fine(at).tolist()), int(radius * 8)
        cv2.circle(picture, spot, int(size * 1.2) + 4, (rim, rim, rim), -1, cv2.LINE_AA, 3)
        cv2.circle(picture, spot, size, tone, -1, cv2.LINE_AA, 3)
        glint = tuple(fine(at - 0.3 * radius).tolist())
        cv2.circle(picture, glint, max(3, size // 3), (light,) * 3, -1, cv2.LINE_AA, 3)
    return picture


def _glints(picture: Colours, rng: Generator) -> Colours:
    """Light on china, metal, skin, wet lips: bright, brightest in the middle, with soft ends."""
    light = np.zeros(picture.shape[:2], np.float32)
    for _ in range(int(rng.integers(1, 7))):
        centre, radius = somewhere(rng, picture.shape), between(rng, 4, 60)
        radii = (int(radius * 8), max(8, int(radius * 8 * between(rng, 0.2, 1))))
        turn, start = between(rng, 0, 180), between(rng, 0, 360)
        end, width = start + between(rng, 5, 120), int(rng.choice([1, 2, 3, 4, 6]))
        at = tuple(fine(centre).tolist())
        cv2.ellipse(
            light, at, radii, turn, start, end, between(rng, 60, 255), width, cv2.LINE_AA, 3
        )
        if rng.random() < 0.4:
            light = np.asarray(cv2.GaussianBlur(light, (0, 0), between(rng, 0.7, 2.5)))
    return picture + cv2.GaussianBlur(light, (0, 0), between(rng, 0.5, 1.5))[..., None]


def _whiskers(picture: Colours, rng: Generator) -> Colours:
    """Whiskers, single hairs, twigs: thin lines that leave one place in one direction."""
    tone, root, turn = _tone(rng), somewhere(rng, picture.shape), between(rng, 0, 2 * np.pi)
    for _ in range(int(rng.integers(4, 30))):
        start, length = root + rng.normal(0, 6, 2), between(rng, 15, 110)
        hair = wander(rng, start, turn + rng.normal(0, 0.25), length, curl=0.03, step=5)
        _line(picture, hair, tone, 1)
    return picture


def _tone(rng: Generator) -> Tone:
    level = between(rng, 5, 70) if rng.random() < 0.5 else between(rng, 170, 250)
    return (level, level * between(rng, 0.95, 1.05), level * between(rng, 0.95, 1.1))


def _line(picture: Colours, path: NDArray[np.float64], tone: Tone, width: int) -> None:
    cv2.polylines(picture, [fine(path)], False, tone, width, cv2.LINE_AA, 3)


_DRAWINGS: tuple[tuple[Callable[[Colours, Generator], Colours], float], ...] = (
    (_rigging, 0.14),
    (_cloth, 0.24),
    (_fence, 0.07),
    (_lettering, 0.06),
    (_beads, 0.05),
    (_buttons, 0.08),
    (_glints, 0.07),
    (_jewellery, 0.06),
    (_rims, 0.08),
    (_braid, 0.10),
    (_whiskers, 0.05),
)
