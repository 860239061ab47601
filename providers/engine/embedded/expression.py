"""A face that blinks, smiles, lifts its brows and glances: one backward warp of the face's box."""

from __future__ import annotations

import numpy as np

from providers.engine.embedded import faces
from providers.engine.embedded.eyes import Eye
from providers.engine.embedded.faces import Face
from providers.engine.embedded.fields import Offsets, Pixels, hill, pixel_grid
from providers.engine.embedded.timeline import Pose

# Upper lid, lower lid, lower edge of the brow.
_EYES = (
    (faces.RIGHT_EYE_UPPER, faces.RIGHT_EYE_LOWER, faces.RIGHT_BROW_LOWER),
    (faces.LEFT_EYE_UPPER, faces.LEFT_EYE_LOWER, faces.LEFT_BROW_LOWER),
)
_MIN_EYE = 0.08  # of the face's width: narrower is the far side of a profile
_MARGIN = 0.15  # of the face's width, round the landmarks


class Expression:
    """What one face of `image` can do. box: left, top, right, bottom of the warp, pixels."""

    def __init__(self, face: Face, *, image: Pixels) -> None:
        height, width = image.shape[:2]
        margin = _MARGIN * face.width
        low = np.floor(face.points[:, :2].min(axis=0) - margin).astype(int)
        high = np.ceil(face.points[:, :2].max(axis=0) + margin).astype(int)
        self.box = (
            max(0, int(low[0])),
            max(0, int(low[1])),
            min(width, int(high[0])),
            min(height, int(high[1])),
        )
        grid = pixel_grid(*self.box)
        self._smile = _smile(face, grid)
        self._brows = _brows(face, grid)
        self._eyes = [
            Eye(*(face.points[part, :2] for part in parts), image=image, within=self.box)
            for parts in _EYES
            if face.distance(parts[0][0], parts[0][-1]) > _MIN_EYE * face.width
        ]

    def offsets(self, pose: Pose) -> Offsets:
        """From each pixel of the box to the place whose colour it takes."""
        field = self._smile * np.float32(-pose.smile) - self._brows * np.float32(pose.brows)
        for eye in self._eyes:
            eye.add_offsets(
                field,
                origin=self.box[:2],
                blink=pose.blink,
                squint=pose.squint,
                gaze=pose.gaze,
            )
        return field


def _smile(face: Face, grid: Offsets) -> Offsets:
    """Mouth corners out and up, cheeks up, a hint of a parted lip."""
    points = face.points[:, :2]
    right, left = points[faces.RIGHT_MOUTH_CORNER], points[faces.LEFT_MOUTH_CORNER]
    mouth = float(np.linalg.norm(left - right))
    along = (left - right) / mouth
    down = np.array([-along[1], along[0]], np.float32)
    field: Offsets = np.zeros_like(grid)
    for corner, outwards in ((right, -along), (left, along)):
        pull = (outwards * 0.075 - down * 0.085) * mouth
        field += hill(grid, corner + outwards * 0.06 * mouth, 0.26 * mouth) * pull
    for cheek in (faces.RIGHT_CHEEK, faces.LEFT_CHEEK):
        field += hill(grid, points[cheek], 0.30 * mouth) * (-down * 0.035 * mouth)
    lips = (points[faces.UPPER_LIP] + points[faces.LOWER_LIP]) / 2
    field += hill(grid, lips, 0.2 * mouth) * (down * 0.012 * mouth)
    return field


def _brows(face: Face, grid: Offsets) -> Offsets:
    points = face.points[:, :2]
    up = np.array([np.sin(face.angle), -np.cos(face.angle)], np.float32) * 0.030 * face.width
    field: Offsets = np.zeros_like(grid)
    for brow in (faces.RIGHT_BROW, faces.LEFT_BROW):
        field += hill(grid, points[brow], 0.17 * face.width) * up
    return field
