"""Faces as 468 points, and how much of each pixel belongs to a person."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import cv2
import numpy as np

from providers.engine.embedded import neural_networks
from providers.engine.embedded.detection import Detection, find_boxes
from providers.engine.embedded.fields import Pixels, Plane, Points, rotation

# Landmark numbers of MediaPipe's face mesh. Right and left are the person's own; eyelids run
# from the left end of the eye in the picture to its right end.
RIGHT_EYE_UPPER = [33, 246, 161, 160, 159, 158, 157, 173, 133]
RIGHT_EYE_LOWER = [33, 7, 163, 144, 145, 153, 154, 155, 133]
LEFT_EYE_UPPER = [362, 398, 384, 385, 386, 387, 388, 466, 263]
LEFT_EYE_LOWER = [362, 382, 381, 380, 374, 373, 390, 249, 263]
RIGHT_BROW_OUTLINE = [70, 63, 105, 66, 107, 55, 65, 52, 53, 46]
LEFT_BROW_OUTLINE = [300, 293, 334, 296, 336, 285, 295, 282, 283, 276]
RIGHT_BROW_LOWER = [46, 53, 52, 65, 55]
LEFT_BROW_LOWER = [276, 283, 282, 295, 285]
LIPS = [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146]
OVAL = [
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
]
FOREHEAD, CHIN, RIGHT_CHEEK_EDGE, LEFT_CHEEK_EDGE = 10, 152, 234, 454
RIGHT_MOUTH_CORNER, LEFT_MOUTH_CORNER, UPPER_LIP, LOWER_LIP = 61, 291, 13, 14
RIGHT_CHEEK, LEFT_CHEEK, RIGHT_BROW, LEFT_BROW, NOSE_TIP = 205, 425, 105, 334, 1
RIGHT_EYE_OUTER, LEFT_EYE_OUTER = 33, 263

_MESH_SIDE = 192
_MESH_OUTPUTS = ("conv2d_21", "conv2d_31")  # 468 points, and whether there is a face at all
_CROP = 1.5  # of the face box
# The box detectors take some cats for people with 0.6; the mesh then says less than 0.1.
_FACE_SCORE = 0.6
# Pixels of a face: a smaller one cannot blink believably, or has specks for eyes.
_BLINKING_WIDTH, _SEEN_WIDTH = 40, 16
_SEGMENTATION_SIDE = 256


@dataclass(frozen=True)
class Face:
    """One face. points: 468 rows x, y, z, pixels, z away from the camera; angle: lean, radians."""

    points: Points
    angle: float
    score: float

    @property
    def width(self) -> float:
        """From cheek edge to cheek edge, pixels."""
        return self.distance(RIGHT_CHEEK_EDGE, LEFT_CHEEK_EDGE)

    @property
    def height(self) -> float:
        """From hair line to chin, pixels."""
        return self.distance(FOREHEAD, CHIN)

    @property
    def centre(self) -> Points:
        """Middle of the face's outline."""
        middle: Points = self.points[OVAL, :2].mean(axis=0)
        return middle

    def distance(self, first: int, second: int) -> float:
        """Between two landmarks in the picture plane, pixels."""
        return float(np.linalg.norm(self.points[first, :2] - self.points[second, :2]))


def find_faces(image: Pixels, *, at_most: int, thorough: bool = False) -> list[Face]:
    """The largest faces that both the detector and the mesh accept.

    thorough: also those that are too small to move, see find_boxes; half a second of CPU.
    """
    smallest = _SEEN_WIDTH if thorough else _BLINKING_WIDTH
    boxes = [box for box in find_boxes(image, thorough=thorough) if box.width > smallest]
    faces = (_mesh(image, box) for box in boxes[: 2 * at_most])
    return list(islice((face for face in faces if face.score > _FACE_SCORE), at_most))


def person_mask(image: Pixels) -> Plane:
    """How surely each pixel shows a person, 0..1."""
    side = _SEGMENTATION_SIDE
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    net = neural_networks.load("selfie_segmentation.tflite")
    net.setInput(neural_networks.blob(small, scale=255.0))
    mask = net.forward("activation_10")[0, 0]
    height, width = image.shape[:2]
    return np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR))


def _mesh(image: Pixels, box: Detection) -> Face:
    """Landmarks in two passes: the second crop is cut around the points of the first."""
    angle = _lean(*box.eyes)
    centre = np.array([box.left + box.width / 2, box.top + box.height / 2], np.float32)
    side = max(box.width, box.height) * _CROP
    for _ in range(2):
        points, score = _read_mesh(image, centre, side, angle)
        angle = _lean(points[RIGHT_EYE_OUTER, :2], points[LEFT_EYE_OUTER, :2])
        turn = rotation(angle)
        level = points[:, :2] @ turn.T
        low, high = level.min(axis=0), level.max(axis=0)
        centre, side = turn.T @ ((low + high) / 2), float((high - low).max()) * _CROP
    return Face(points, angle, score)


def _read_mesh(image: Pixels, centre: Points, side: float, angle: float) -> tuple[Points, float]:
    zoom = _MESH_SIDE / side
    turn = rotation(angle) * zoom
    to_crop = np.c_[turn, _MESH_SIDE / 2 - turn @ centre].astype(np.float32)
    crop = cv2.warpAffine(image, to_crop, (_MESH_SIDE, _MESH_SIDE), flags=cv2.INTER_LINEAR)
    net = neural_networks.load("face_landmark.tflite")
    net.setInput(neural_networks.blob(crop, scale=255.0))
    raw_points, raw_score = net.forward(_MESH_OUTPUTS)
    in_crop = raw_points.reshape(468, 3)
    back = cv2.invertAffineTransform(to_crop)
    flat = in_crop[:, :2] @ back[:, :2].T + back[:, 2]
    points = np.c_[flat, in_crop[:, 2] / zoom].astype(np.float32)
    return points, float(neural_networks.sigmoid(raw_score.ravel()[0]))


def _lean(right_eye: Points, left_eye: Points) -> float:
    across = left_eye - right_eye
    return float(np.arctan2(across[1], across[0]))
