"""How a flat picture moves: heads that turn, a body that breathes, a camera that comes closer.

The picture stays one layer, warped smoothly as a whole. Cutting the person out leaves a visible
seam round the hair.
"""

from __future__ import annotations

from math import sin

import cv2
import numpy as np

from providers.engine.embedded.faces import OVAL, Face
from providers.engine.embedded.fields import (
    Offsets,
    Pixels,
    Plane,
    fill_holes,
    pixel_grid,
    rotation,
    smoothstep,
)
from providers.engine.embedded.timeline import Camera, Pose, breath_at, camera_at, pose_at

_CELL = 4  # pixels of the picture per cell of the motion grid
_STEPS = 2  # fixed-point steps that turn "moves to" into "comes from"
_CREDIBLE_PERSON = (0.04, 0.93)  # share of the picture: outside it the mask is noise
_HORIZON = 0.45  # of the height: the point the camera moves towards


class Motion:
    """The motion of one picture over the timeline."""

    def __init__(self, image: Pixels, faces: list[Face], person: Plane) -> None:
        self._height, self._width = image.shape[:2]
        columns, rows = max(2, self._width // _CELL), max(2, self._height // _CELL)
        self._cell = np.array([self._width / columns, self._height / rows], np.float32)
        # Centres of the cells, in pixels of the picture.
        self._grid = (pixel_grid(0, 0, columns, rows) + 0.5) * self._cell - 0.5
        self._pixels = pixel_grid(0, 0, self._width, self._height)
        self._heads = [_Head(face, self._grid, self._cell) for face in faces]
        self._chest = _chest(faces, self._grid)
        self._camera = _CameraMove(self._grid, faces, person, size=(self._width, self._height))

    def source_map(self, seconds: float) -> Offsets:
        """For every pixel of the frame at `seconds`: the point of the picture it shows."""
        moved = self._chest * np.float32(breath_at(seconds))
        for person, head in enumerate(self._heads):
            moved += head.displacement(pose_at(seconds, person))
        seen = self._camera.look(camera_at(seconds))
        source = seen
        for _ in range(_STEPS):
            at = (source + 0.5) / self._cell - 0.5
            source = seen - cv2.remap(
                moved, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
        # The shift is enlarged, not the map itself: its border cells must not be stretched.
        size = (self._width, self._height)
        shift = cv2.resize(source - self._grid, size, interpolation=cv2.INTER_LINEAR)
        return np.asarray(cv2.add(self._pixels, shift))


class _Head:
    """Displacement of the grid per unit of each motion, in picture axes."""

    def __init__(self, face: Face, grid: Offsets, cell: Plane) -> None:
        axes = rotation(face.angle)
        local = (grid - face.centre) @ axes.T
        u, v = local[..., 0], local[..., 1]
        reach = np.where(v < 0, v / (1.05 * face.height), v / (0.62 * face.height))
        ellipse = np.hypot(u / (0.78 * face.width), reach)
        # 1 in the head, fading over neck and surroundings.
        weight = 1.0 - smoothstep((ellipse - 0.95) / 0.75)
        # The head turns about a point behind the face and leans about the neck.
        depth = _depth(face, ellipse > 1.0, cell) + 0.32 * face.width
        still = np.zeros_like(u)
        self._yaw = _in_picture(weight, depth, still, axes)
        self._pitch = _in_picture(weight, still, 0.9 * depth, axes)
        self._roll = _in_picture(weight, 0.95 * face.height - v, u, axes)
        self._breath = _in_picture(weight, still, np.full_like(v, -0.006 * face.height), axes)

    def displacement(self, pose: Pose) -> Offsets:
        """Where the head's cells move in this pose, pixels."""
        return (
            self._yaw * np.float32(sin(pose.yaw))
            + self._pitch * np.float32(sin(pose.pitch))
            + self._roll * np.float32(sin(pose.roll))
            + self._breath * np.float32(pose.breath)
        )


class _CameraMove:
    """A slow dolly towards the nearer parts of the picture."""

    def __init__(
        self, grid: Offsets, faces: list[Face], person: Plane, *, size: tuple[int, int]
    ) -> None:
        width, height = size
        self._grid = grid
        self._aim = np.array([width / 2, height * _HORIZON], np.float32)
        trusted = _shows(faces, person)
        near = _person_depth(person, grid) if trusted else _floor_depth(grid, size)
        far_zoom, near_zoom = (0.010, 0.030) if faces else (0.020, 0.075)
        self._zoom = (far_zoom + (near_zoom - far_zoom) * near)[..., None]
        self._pan = (0.011 * near - 0.003) * width * (1.0 if faces else 1.6)

    def look(self, camera: Camera) -> Offsets:
        """The point of the unmoved picture that each cell of the frame shows."""
        seen = (self._grid - self._aim) / (1.0 + self._zoom * np.float32(camera.dolly))
        seen += self._aim
        seen[..., 0] -= self._pan * np.float32(camera.pan)
        return seen


def _in_picture(weight: Plane, along: Plane, down: Plane, axes: Plane) -> Offsets:
    """A displacement given in the face's axes, weighted, in picture axes."""
    field: Offsets = (np.stack([along, down], axis=-1) @ axes) * weight[..., None]
    return field.astype(np.float32)


def _depth(face: Face, outside: Plane, cell: Plane) -> Plane:
    """Height of the face towards the camera, pixels; flat and further back round it."""
    rows, columns = outside.shape
    towards = face.points[OVAL, 2].mean() - face.points[:, 2]
    at = (face.points[:, :2] / cell).astype(int)
    column, row = np.clip(at[:, 0], 0, columns - 1), np.clip(at[:, 1], 0, rows - 1)
    total, count = np.zeros((2, rows, columns), np.float32)
    np.add.at(total, (row, column), towards)
    np.add.at(count, (row, column), 1.0)
    depth = np.where(outside, -0.18 * face.width, total / np.maximum(count, 1.0))
    known = (outside | (count > 0)).astype(np.float32)
    filled = fill_holes(depth.astype(np.float32), known)
    return np.asarray(
        cv2.GaussianBlur(filled, (0, 0), max(1.0, 0.05 * face.width / float(cell[0])))
    )


def _chest(faces: list[Face], grid: Offsets) -> Offsets:
    """Everything below the lowest chin rises at full breath."""
    field: Offsets = np.zeros_like(grid)
    if faces:
        height = faces[0].height
        chin = max(float(face.centre[1]) + face.height for face in faces)
        below = smoothstep((grid[..., 1] - chin + 0.3 * height) / (1.2 * height))
        field[..., 1] = -0.012 * height * below
    return field


def _shows(faces: list[Face], person: Plane) -> bool:
    """Whether the mask can be trusted: it covers the faces, and neither nothing nor everything."""
    height, width = person.shape
    at = [np.clip(face.centre.astype(int), 0, (width - 1, height - 1)) for face in faces]
    low, high = _CREDIBLE_PERSON
    covers = bool(at) and float(np.mean([person[y, x] for x, y in at])) > 0.5
    return covers and low < float(person.mean()) < high


def _person_depth(person: Plane, grid: Offsets) -> Plane:
    rows, columns = grid.shape[:2]
    small = cv2.resize(person, (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), max(2.0, 0.028 * max(rows, columns))))


def _floor_depth(grid: Offsets, size: tuple[int, int]) -> Plane:
    """Nearer towards the lower edge and the middle, like a floor or a table."""
    width, height = size
    across = 1.0 - np.abs(grid[..., 0] / width - 0.5) * 2.0
    near: Plane = smoothstep(grid[..., 1] / height * 0.9 + 0.25 * across).astype(np.float32)
    return near
