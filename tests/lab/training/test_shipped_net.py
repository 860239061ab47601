"""The shipped damage-mask net, run as the engine runs it, on drawings it has never seen."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

MODEL = Path(__file__).parents[3] / "providers" / "engine" / "models" / "damage_mask.onnx"


@pytest.fixture(scope="module")
def net() -> cv2.dnn.Net:
    return cv2.dnn.readNetFromONNX(str(MODEL))


def plain_print() -> NDArray[np.float32]:
    y, x = np.mgrid[:256, :256].astype(np.float32)
    noise = np.random.default_rng(3).normal(0, 3, (256, 256))
    return np.asarray(90 + x / 6 + 25 * np.sin(y / 40) + noise, np.float32)


def damage_in(net: cv2.dnn.Net, grey: NDArray[np.float32]) -> NDArray[np.bool_]:
    net.setInput(((grey - 128) / 64)[None, None])
    return np.asarray(net.forward()[0, 0] > 0.5)


def test_it_is_small_enough_to_live_in_the_repository() -> None:
    assert MODEL.stat().st_size < 400_000


def test_it_finds_a_scratch_and_dust(net: cv2.dnn.Net) -> None:
    grey, truth = plain_print(), np.zeros((256, 256), np.uint8)
    cv2.line(truth, (60, 10), (95, 240), 255, 2, cv2.LINE_AA)
    cv2.circle(truth, (180, 120), 3, 255, -1, cv2.LINE_AA)
    cover = truth.astype(np.float32) / 255
    found = damage_in(net, np.asarray(grey * (1 - cover) + 240 * cover, np.float32))
    drawn = truth > 127
    assert (found & drawn).sum() > 0.8 * drawn.sum()
    near = cv2.dilate(truth, np.ones((7, 7))) > 0
    assert (found & ~near).sum() < 0.1 * drawn.sum()


def test_it_leaves_a_sound_print_alone(net: cv2.dnn.Net) -> None:
    assert damage_in(net, plain_print()).mean() < 0.001
