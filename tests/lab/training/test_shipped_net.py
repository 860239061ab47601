"""The shipped damage-mask net, run as the engine runs it, on drawings it has never seen."""

import cv2
import numpy as np

from providers.engine.embedded import looks
from providers.engine.embedded.neural_networks import MODELS


def toned_print():
    """A brown portrait-like picture with grain."""
    y, x = np.mgrid[:256, :256].astype(np.float32)
    noise = np.random.default_rng(3).normal(0, 3, (256, 256))
    grey = 90 + x / 6 + 25 * np.sin(y / 40) + noise
    return np.clip(grey[..., None] * (0.75, 0.9, 1.0), 0, 255).astype(np.uint8)


def test_it_is_small_enough_to_live_in_the_repository() -> None:
    assert (MODELS / looks.NETWORK).stat().st_size < 8_000_000


def test_it_finds_a_crack_that_shows_cream_paper_and_dust() -> None:
    truth = np.zeros((256, 256), np.uint8)
    bend = 9 * np.sin(np.arange(10, 240, 4) / 17) + np.arange(10, 240, 4) * 0.15 + 60
    path = np.stack([bend, np.arange(10, 240, 4)], 1).astype(np.int32)
    cv2.polylines(truth, [path], False, 255, 2, cv2.LINE_AA)
    cv2.circle(truth, (180, 120), 3, 255, -1, cv2.LINE_AA)
    cover = truth[..., None].astype(np.float32) / 255
    scan = toned_print() * (1 - cover) + np.array((190, 225, 240)) * cover
    found = looks.look(scan.astype(np.uint8)) > 0.5
    drawn = truth > 127
    assert (found & drawn).sum() > 0.8 * drawn.sum()
    near = cv2.dilate(truth, np.ones((7, 7), np.uint8)) > 0
    assert (found & ~near).sum() < 0.1 * drawn.sum()


def test_it_leaves_a_sound_print_alone() -> None:
    assert (looks.look(toned_print()) > 0.5).mean() < 0.001
