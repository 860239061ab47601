"""The neural networks beside this package (origins and licences in NOTICE), run by OpenCV's dnn."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from providers.engine.embedded.fields import Pixels

MODELS = Path(__file__).parent.parent / "models"


@cache
def load(file_name: str) -> cv2.dnn.Net:
    """One network, read once per process."""
    path = str(MODELS / file_name)
    read = cv2.dnn.readNetFromTFLite if path.endswith(".tflite") else cv2.dnn.readNetFromONNX
    return read(path)


def blob(image: Pixels, *, scale: float, shift: float = 0.0) -> Any:
    """A batch of one: BGR bytes to RGB floats `value / scale + shift`, channels first."""
    channels = image[:, :, ::-1].transpose(2, 0, 1).astype(np.float32)
    return (channels / scale + shift)[None]


def sigmoid(value: Any) -> Any:
    """Score of a raw network output."""
    return 1.0 / (1.0 + np.exp(-np.clip(value, -80.0, 80.0)))
