"""The shipped nets, run as the engine runs them, on drawings they have never seen."""

import cv2
import numpy as np
import pytest

from providers.engine.embedded import filling, looks
from providers.engine.embedded.neural_networks import MODELS


def toned_print():
    """A brown portrait-like picture with grain."""
    y, x = np.mgrid[:256, :256].astype(np.float32)
    noise = np.random.default_rng(3).normal(0, 3, (256, 256))
    grey = 90 + x / 6 + 25 * np.sin(y / 40) + noise
    return np.clip(grey[..., None] * (0.75, 0.9, 1.0), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("network", [looks.NETWORK, filling.NETWORK])
def test_it_is_small_enough_to_live_in_the_repository(network: str) -> None:
    assert (MODELS / network).stat().st_size < 8_000_000


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


@pytest.mark.parametrize(("side", "width"), [(256, 3), (256, 7), (2000, 14)])
def test_an_edge_goes_on_across_a_crack_better_than_from_the_rims(side: int, width: int) -> None:
    y, x = np.mgrid[:side, :side] * (256 / side)
    edge = np.where(x + 0.4 * y < 170, 70, 190)[..., None].repeat(3, axis=2)
    photo = cv2.GaussianBlur(edge.astype(np.uint8), (0, 0), 1)
    holes = np.zeros((side, side), np.uint8)
    ends = [
        (round(20 / 256 * side), round(90 / 256 * side)),
        (round(0.9 * side), round(0.6 * side)),
    ]
    cv2.line(holes, *ends, 255, width)
    torn = np.where(holes[..., None] > 0, 235, photo).astype(np.uint8)
    near = (holes > 0) & (np.abs(x + 0.4 * y - 170) < 20 * 256 / side)
    guessed, continued = (
        float(np.abs(made[near].astype(int) - photo[near]).mean())
        for made in (filling.fill(torn, holes), filling.fill_smoothly(torn, holes))
    )
    assert guessed < 0.8 * continued
