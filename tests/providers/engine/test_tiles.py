"""Tiles cover a side whole, are of one size, and waste little."""

from __future__ import annotations

import numpy as np
import pytest

from providers.engine.embedded import looks, tiles, unet


@pytest.mark.parametrize("length", [1, 64, 127, 128, 129, 300, 451, 512, 1280, 2560])
def test_tiles_without_overlap_stand_side_by_side_and_reach_the_end(length: int) -> None:
    found = tiles.cut(length, at_most=128)
    assert found.starts == tuple(range(0, len(found.starts) * found.size, found.size))
    assert 0 <= len(found.starts) * found.size - length < len(found.starts)
    assert found.size <= 128


@pytest.mark.parametrize("length", [16, 64, 320, 328, 528, 592, 1016])
def test_overlapping_tiles_share_enough_and_end_with_the_side(length: int) -> None:
    found = tiles.cut(length, at_most=320, overlap=64, multiple=8)
    assert found.size % 8 == 0 and found.size <= 320
    assert found.starts[0] == 0 and found.starts[-1] + found.size == max(length, found.size)
    assert all(start % 8 == 0 for start in found.starts)
    steps = [after - before for before, after in zip(found.starts, found.starts[1:], strict=False)]
    assert all(0 < step <= found.size - 64 for step in steps)


def test_tiles_with_nothing_to_answer_are_left_out() -> None:
    noise = np.random.default_rng(1).normal(0, 1, (400, 700, 3)).astype(np.float32)
    where = np.zeros((400, 700), np.uint8)
    where[150:160, 40:50] = 255
    whole = unet.run(looks.NETWORK, noise, channels=1)
    asked = unet.run(looks.NETWORK, noise, channels=1, where=where)
    assert np.array_equal(asked[where > 0], whole[where > 0])
    assert not asked[:, 400:].any() and whole[:, 400:].any()
