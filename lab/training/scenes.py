"""Draws clean scenes full of what a damage detector mistakes for damage.

Pin-stripes, curtains, mouldings, lettering, hair, grass, twigs, catch-lights in eyes, pearls: all
intact, none of it to be repaired. Photos of them that are free of rights are few, drawings are not.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Grey = NDArray[np.float32]

SIZE = 384
_ABC = "ABCDEFGHIKLMNOPRSTUVWXYZabcdefghiklmnoprstuvwxyz0123456789 .,-&%"


def draw_scene(rng: Generator) -> NDArray[np.uint8]:
    """Return one clean scene, SIZE x SIZE grey levels: a few drawings pasted into each other."""
    scene = _backdrop(rng)
    for _ in range(int(rng.integers(1, 4))):
        draw = _DRAWINGS[int(rng.integers(len(_DRAWINGS)))]
        drawing = draw(rng, scene)
        if rng.random() < 0.5:
            scene = drawing
            continue
        window = _window(rng)
        scene = scene * (1 - window) + drawing * window
    if rng.random() < 0.5:
        scene = scene + _clouds(rng, int(rng.choice([3, 6, 12]))) * rng.uniform(5, 30)
    return np.asarray(np.clip(scene, 0, 255), np.uint8)


def _backdrop(rng: Generator) -> Grey:
    tone = rng.uniform(40, 215) + _clouds(rng, 3) * rng.uniform(5, 60)
    return np.asarray(np.clip(tone, 0, 255), np.float32)


def _clouds(rng: Generator, cells: int) -> Grey:
    coarse = rng.normal(0, 1, (cells, cells)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC))


def _window(rng: Generator) -> Grey:
    """A soft or sharp-edged region, as one thing standing before another."""
    if rng.random() < 0.5:
        field = _clouds(rng, 4) + rng.uniform(-0.5, 0.5)
        return np.asarray(np.clip(field * rng.uniform(2, 60), 0, 1), np.float32)
    region = np.zeros((SIZE, SIZE), np.float32)
    corners = rng.uniform(0, SIZE, (int(rng.integers(3, 6)), 2)).astype(np.int32)
    cv2.fillConvexPoly(region, cv2.convexHull(corners), 1.0, cv2.LINE_AA)
    return region


def _slanted(rng: Generator) -> tuple[Grey, Grey]:
    """Return two crossed coordinates of a plane seen at an angle, gently bent."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    turn = rng.uniform(0, np.pi)
    along = x * np.cos(turn) + y * np.sin(turn)
    across = y * np.cos(turn) - x * np.sin(turn)
    depth = 1 + along / SIZE * rng.uniform(-0.4, 0.4)
    return along, across / depth + _clouds(rng, 4) * rng.uniform(0, 10)


def _stripes(rng: Generator, scene: Grey) -> Grey:
    """Pin-stripes, blinds, fences: thin parallel lines, bright or dark."""
    _, across = _slanted(rng)
    phase = (across / rng.uniform(5, 40)) % 1
    lines = np.clip((rng.uniform(0.06, 0.5) - np.abs(phase - 0.5)) * 12, 0, 1)
    return np.asarray(scene + lines * rng.uniform(-110, 130), np.float32)


def _cloth(rng: Generator, scene: Grey) -> Grey:
    """Weave or plaid: two crossed rhythms."""
    along, across = _slanted(rng)
    period = rng.uniform(3, 30)
    weave = np.sin(along * 2 * np.pi / period) * rng.uniform(0, 40)
    weave += np.sin(across * 2 * np.pi / (period * rng.uniform(0.5, 2))) * rng.uniform(0, 40)
    if rng.random() < 0.4:
        weave = np.sign(weave) * rng.uniform(8, 50)
    return np.asarray(scene + weave, np.float32)


def _curtain(rng: Generator, scene: Grey) -> Grey:
    _, across = _slanted(rng)
    folds = np.sin((across + _clouds(rng, 5) * 14) * 2 * np.pi / rng.uniform(14, 70))
    sharp = np.sign(folds) * np.abs(folds) ** rng.uniform(0.4, 3)
    return np.asarray(scene + sharp * rng.uniform(15, 70), np.float32)


def _furniture(rng: Generator, scene: Grey) -> Grey:
    """Podiums, frames, shelves: flat boxes with a light or dark moulding along the edge."""
    drawing = scene.copy()
    for _ in range(int(rng.integers(2, 12))):
        centre, size = rng.uniform(0, SIZE, 2), rng.uniform(12, 240, 2)
        box = cv2.boxPoints((tuple(centre), tuple(size), float(rng.normal(0, 12)))).astype(np.int32)
        if rng.random() < 0.6:
            cv2.fillPoly(drawing, [box], float(rng.uniform(10, 245)), cv2.LINE_AA)
        for _ in range(int(rng.integers(0, 3))):
            width = int(rng.choice([1, 1, 2, 3, 5]))
            tone = float(rng.uniform(0, 255))
            cv2.polylines(drawing, [box], True, tone, width, cv2.LINE_AA)
            box = ((box - box.mean(0)) * rng.uniform(0.85, 0.98) + box.mean(0)).astype(np.int32)
    return drawing


def _lettering(rng: Generator, scene: Grey) -> Grey:
    drawing = scene.copy()
    paper = float(rng.uniform(0, 255))
    if rng.random() < 0.5:
        corner = rng.integers(0, SIZE // 2, 2)
        far = corner + rng.integers(40, SIZE // 2, 2)
        cv2.rectangle(drawing, tuple(corner.tolist()), tuple(far.tolist()), paper, -1)
    for _ in range(int(rng.integers(2, 14))):
        text = "".join(rng.choice(list(_ABC), int(rng.integers(3, 26))))
        place = (int(rng.integers(-40, SIZE - 60)), int(rng.integers(10, SIZE)))
        scale, width = float(rng.uniform(0.3, 2.2)), int(rng.choice([1, 1, 2, 3, 5]))
        tone = float(rng.uniform(0, 255))
        cv2.putText(drawing, text, place, int(rng.integers(0, 8)), scale, tone, width, cv2.LINE_AA)
    return drawing


def _hair(rng: Generator, scene: Grey) -> Grey:
    """Locks of many fine strands that run together; fur when they are short."""
    drawing = scene * 0.5 + float(rng.uniform(10, 110))
    short = rng.random() < 0.4
    for _ in range(int(rng.integers(3, 9))):
        root, turn = rng.uniform(-20, SIZE, 2), float(rng.uniform(0, 2 * np.pi))
        bend = float(rng.normal(0, 0.07))
        base, spread = float(rng.uniform(10, 200)), float(rng.uniform(8, 50))
        for _ in range(140):
            start = root + rng.normal(0, 45, 2)
            length, steps = (4, 5) if short else (11, 18)
            angles = turn + rng.normal(0, 0.12) + bend * np.arange(steps)
            moves = np.stack([np.cos(angles), np.sin(angles)], 1) * length
            path = ((start + np.cumsum(moves, 0)) * 8).astype(np.int32)
            tone = float(np.clip(rng.normal(base, spread), 0, 255))
            cv2.polylines(drawing, [path], False, tone, 1, cv2.LINE_AA, 3)
    return np.asarray(cv2.GaussianBlur(drawing, (0, 0), float(rng.uniform(0.4, 1.2))), np.float32)


def _leaves(rng: Generator, scene: Grey) -> Grey:
    """Foliage, gravel, confetti, grass: many small shapes of all tones, never few on a plain."""
    drawing = scene.copy()
    base, slim, size = rng.uniform(30, 180), rng.uniform(0.08, 1), rng.uniform(2, 14)
    turn = rng.uniform(0, 180)
    enough = 2.0 * SIZE**2 / (np.pi * size * max(1.0, size * slim))
    for _ in range(int(np.clip(enough, 400, 3500))):
        place = rng.uniform(0, SIZE, 2) * 8
        reach = size * 8 * rng.uniform(0.4, 1.6)
        axes = (max(8, int(reach)), max(5, int(reach * slim)))
        tone = float(np.clip(rng.normal(base, 45), 0, 255))
        angle = turn + float(rng.normal(0, 40))
        spot = (int(place[0]), int(place[1]))
        cv2.ellipse(drawing, spot, axes, angle, 0, 360, tone, -1, cv2.LINE_AA, 3)
    return drawing


def _twigs(rng: Generator, scene: Grey) -> Grey:
    """Bare branches and wires before a sky: dark, branching, tapering."""
    drawing = scene.copy()
    tone = float(rng.uniform(10, 90))
    start = np.array([rng.uniform(0, SIZE), SIZE + 5.0])
    twigs = [(start, -np.pi / 2 + rng.normal(0, 0.3), 6.0)]
    while twigs and len(twigs) < 90:
        place, turn, width = twigs.pop(0)
        if width < 0.8:
            continue
        end = place + np.array([np.cos(turn), np.sin(turn)]) * rng.uniform(20, 70)
        ends = [tuple((point * 8).astype(int).tolist()) for point in (place, end)]
        cv2.line(drawing, ends[0], ends[1], tone, max(1, round(width)), cv2.LINE_AA, 3)
        for _ in range(int(rng.integers(1, 4))):
            twigs.append((end, turn + rng.normal(0, 0.5), width * rng.uniform(0.5, 0.85)))
    return drawing


def _face(rng: Generator, scene: Grey) -> Grey:
    """Eyes with catch-lights, brows, lips and teeth, now and then glasses or pearls."""
    drawing = scene.copy()
    span = float(rng.uniform(60, 150))
    middle = rng.uniform(0.35, 0.65, 2) * SIZE
    skin = float(rng.uniform(70, 215))
    _oval(drawing, middle, (span * 0.75, span), skin)
    shade = cv2.GaussianBlur(drawing, (0, 0), span * 0.12)
    drawing[:] = shade + _clouds(rng, 6) * 4
    for side in (-1.0, 1.0):
        eye = middle + np.array([side * 0.32, -0.12]) * span
        _oval(drawing, eye, (span * 0.15, span * 0.07), skin * 0.55)
        _oval(drawing, eye, (span * 0.13, span * 0.055), min(245.0, skin * 1.2))
        _oval(drawing, eye, (span * 0.05, span * 0.055), float(rng.uniform(10, 60)))
        light = eye + rng.normal(0, 0.015, 2) * span
        _oval(drawing, light, (span * 0.014, span * 0.014), float(rng.uniform(170, 255)))
        brow = eye + np.array([0, -0.17]) * span
        _oval(drawing, brow, (span * 0.17, span * 0.025), skin * 0.4)
        if rng.random() < 0.3:
            rim = (int(span * 0.2), int(span * 0.17))
            at = (int(eye[0]), int(eye[1]))
            tone = float(rng.choice([20.0, 230.0]))
            cv2.ellipse(drawing, at, rim, 0, 0, 360, tone, int(rng.integers(1, 4)), cv2.LINE_AA)
    lips = middle + np.array([0, 0.5]) * span
    _oval(drawing, lips, (span * 0.28, span * 0.09), skin * 0.55)
    if rng.random() < 0.6:
        _oval(drawing, lips, (span * 0.22, span * 0.04), float(rng.uniform(190, 250)))
    if rng.random() < 0.4:
        _pearls(drawing, rng, middle + np.array([0, 1.1]) * span, span)
    return np.asarray(cv2.GaussianBlur(drawing, (0, 0), float(rng.uniform(0.5, 1.3))), np.float32)


def _oval(
    drawing: Grey, centre: NDArray[np.float64], radii: tuple[float, float], tone: float
) -> None:
    at = (int(centre[0] * 8), int(centre[1] * 8))
    axes = (max(4, int(radii[0] * 8)), max(4, int(radii[1] * 8)))
    cv2.ellipse(drawing, at, axes, 0, 0, 360, tone, -1, cv2.LINE_AA, 3)


def _pearls(drawing: Grey, rng: Generator, middle: NDArray[np.float64], span: float) -> None:
    """Beads, buttons, a row of lamps: equal spots at equal steps, which damage never is."""
    size = float(rng.uniform(0.015, 0.045)) * span
    for turn in np.arange(0.15, np.pi - 0.15, 2.6 * size / span):
        bead = middle + np.array([np.cos(turn), np.sin(turn) * 0.6]) * span
        _oval(drawing, bead, (size, size), 205.0)
        _oval(drawing, bead - size * 0.3, (size * 0.35, size * 0.35), 250.0)


_DRAWINGS: tuple[Callable[[Generator, Grey], Grey], ...] = (
    _stripes,
    _cloth,
    _curtain,
    _furniture,
    _lettering,
    _hair,
    _leaves,
    _twigs,
    _face,
    _face,
)
