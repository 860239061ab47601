"""Boxes around faces: MediaPipe's two detectors, and a closer look when faces are small."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from providers.engine.embedded import neural_networks
from providers.engine.embedded.fields import Pixels, Points

_THRESHOLD = 0.5
_TILE_THRESHOLD = 0.6
_OVERLAP = 0.3
_SMALL_FACE = 0.12  # of the longer side: below it the picture is searched again in tiles


@dataclass(frozen=True)
class Detection:
    """One face box, pixels of the whole picture."""

    score: float
    left: float
    top: float
    width: float
    height: float
    eyes: Points  # right eye, left eye: the person's own right and left


@dataclass(frozen=True)
class _Detector:
    file_name: str
    side: int
    strides: tuple[int, ...]
    anchors_per_cell: int
    outputs: tuple[str, str]


_SHORT_RANGE = _Detector(
    "face_detection_short_range.tflite", 128, (8, 16, 16, 16), 2, ("regressors", "classificators")
)
_FULL_RANGE = _Detector(
    "face_detection_full_range.tflite",
    192,
    (4,),
    1,
    ("reshaped_regressor_face_4", "reshaped_classifier_face_4"),
)


def find_boxes(image: Pixels, *, thorough: bool = False) -> list[Detection]:
    """Faces, largest first, each once.

    thorough: small ones are looked for beside large ones, too, and smaller ones than usual.
    """
    found = _run(_FULL_RANGE, image, _THRESHOLD) + _run(_SHORT_RANGE, image, _THRESHOLD)
    tallest = max((face.height for face in found), default=0.0)
    longest = max(image.shape[:2])
    fractions = (2, 4) if thorough else (2,) if tallest < _SMALL_FACE * longest else ()
    # Of a long picture both may be its shorter side.
    sides = {min(longest // fraction, *image.shape[:2]) for fraction in fractions}
    for left, top, tile in (each for side in sorted(sides) for each in _tiles(image, side)):
        found += _run(_FULL_RANGE, tile, _TILE_THRESHOLD, left=left, top=top)
    return sorted(_distinct(found), key=lambda face: -face.width * face.height)


def _tiles(image: Pixels, side: int) -> Iterator[tuple[int, int, Pixels]]:
    height, width = image.shape[:2]
    for top in _starts(height, side):
        for left in _starts(width, side):
            yield left, top, image[top : top + side, left : left + side]


def _starts(length: int, side: int) -> list[int]:
    """Where tiles of `side` begin that half cover each other; the last one ends at the edge."""
    return [*range(0, length - side, max(1, side // 2)), length - side]


def _run(
    detector: _Detector, image: Pixels, threshold: float, *, left: int = 0, top: int = 0
) -> list[Detection]:
    height, width = image.shape[:2]
    longest = max(height, width)
    pad_x, pad_y = (longest - width) // 2, (longest - height) // 2
    square = cv2.copyMakeBorder(
        image,
        pad_y,
        longest - height - pad_y,
        pad_x,
        longest - width - pad_x,
        cv2.BORDER_CONSTANT,
    )
    side = detector.side
    small = cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA)
    net = neural_networks.load(detector.file_name)
    net.setInput(neural_networks.blob(small, scale=127.5, shift=-1.0))
    boxes, scores = net.forward(detector.outputs)
    score = neural_networks.sigmoid(scores[0, :, 0])
    sure = score > threshold
    anchors = _anchors(detector)[sure]
    # Every row: box centre, box size, then six key points; all relative to the anchor.
    rows = boxes[0][sure].reshape(-1, 8, 2) / side
    origin = np.array([left - pad_x, top - pad_y], np.float32)
    return [
        _detection(float(certainty), row * longest, anchor * longest + origin)
        for certainty, row, anchor in zip(score[sure], rows, anchors, strict=True)
    ]


def _detection(score: float, row: Points, anchor: Points) -> Detection:
    centre, (width, height) = row[0] + anchor, row[1]
    left, top = centre - row[1] / 2
    return Detection(score, float(left), float(top), float(width), float(height), row[2:4] + anchor)


@cache
def _anchors(detector: _Detector) -> Points:
    """Cell centres (0..1) in the order of the network's rows; equal strides share one grid."""
    grids = []
    for stride in sorted(set(detector.strides)):
        cells = detector.side // stride
        repeats = detector.strides.count(stride) * detector.anchors_per_cell
        centres = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        grid = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
        grids.append(np.repeat(grid, repeats, axis=0))
    return np.concatenate(grids)


def _distinct(found: list[Detection]) -> list[Detection]:
    boxes = [(face.left, face.top, face.width, face.height) for face in found]
    scores = [face.score for face in found]
    kept = cv2.dnn.NMSBoxes(boxes, scores, _THRESHOLD, _OVERLAP)
    return [found[index] for index in np.array(kept, dtype=int).ravel()]
