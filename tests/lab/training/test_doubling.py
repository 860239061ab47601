"""Examples for the enlarging net: what it gets, and what it should make of it, fit together."""

import cv2
import numpy as np

from lab.training.doubling import LAYERS, SIDE, example, examples


def photo(seed: int):
    """Smooth blobs and sharp edges."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (12, 15, 3)).astype(np.uint8)
    picture = cv2.resize(coarse, (600, 480), interpolation=cv2.INTER_CUBIC)
    picture[200:] = 255 - picture[200:]
    return picture


def test_an_example_shows_the_same_place_three_times() -> None:
    for seed in range(6):
        given, plain, truth = example(photo(seed), np.random.default_rng(seed))
        assert given.shape == (SIDE + 2 * LAYERS, SIDE + 2 * LAYERS, 4)
        assert plain.shape == truth.shape == (2 * SIDE, 2 * SIDE, 3)
        assert set(np.unique(given[..., 3])) <= {0.0, 0.5, 1.0}
        inside = given[LAYERS:-LAYERS, LAYERS:-LAYERS, :3]
        halved = cv2.resize(truth, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        assert np.abs(inside - halved).mean() < 0.06
        assert np.abs(plain - truth).mean() < 0.06


def test_flat_crops_are_left_out_and_the_same_seed_gives_the_same_batch() -> None:
    half_flat = photo(1)
    half_flat[:, :300] = 128
    batches = [next(examples([half_flat], np.random.default_rng(2), 4)) for _ in range(2)]
    assert all(len(batch) == 4 for batch in batches)
    assert all(np.array_equal(one[2], two[2]) for one, two in zip(*batches, strict=True))
    assert all(truth.std() > 0.01 for _, _, truth in batches[0])
