"""Doubling: nearer to the truth than a resize, without seams, and with less noise where asked."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from providers.engine.embedded import enlarge, photo


@pytest.fixture(scope="module")
def truth(samples):
    return photo.read(samples / "portrait.jpg", long_side=512)[:300, :400]


def halved(picture):
    height, width = picture.shape[:2]
    return cv2.resize(picture, (width // 2, height // 2), interpolation=cv2.INTER_AREA)


def resized(picture):
    return cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)


def doubled(picture, noise_level=0):
    return enlarge.double(picture, noise_level=noise_level, progress=lambda share: None)


def error(picture, truth) -> float:
    return float(((picture.astype(float) - truth) ** 2).mean())


def test_it_comes_nearer_to_the_photo_than_a_resize(truth) -> None:
    small = halved(truth)
    assert error(doubled(small), truth) < 0.8 * error(resized(small), truth)


def test_nobody_sees_where_a_tile_ends(truth, monkeypatch) -> None:
    in_tiles = doubled(truth)
    monkeypatch.setattr(enlarge, "_TILE", 512)
    assert np.abs(in_tiles.astype(int) - doubled(truth)).max() <= 2


def test_an_odd_size_is_doubled_exactly(truth) -> None:
    assert doubled(truth[:151, :67]).shape == (302, 134, 3)


def test_noise_is_removed_only_where_that_is_asked_for(truth) -> None:
    grey = np.full((64, 64, 3), 120.0)
    noise = np.random.default_rng(1).normal(0, 6, (64, 64, 1))
    grainy = np.clip(grey + noise, 0, 255).astype(np.uint8)
    kept, less, least = (float(doubled(grainy, level).std()) for level in (0, 1, 2))
    assert kept > 4
    assert less < 0.8 * kept and least < 0.7 * less
    small = halved(truth)
    assert error(doubled(small, 2), truth) < 1.5 * error(resized(small), truth), "no wax"


def test_a_flat_picture_stays_flat(truth) -> None:
    flat = np.full((40, 50, 3), (30, 120, 240), np.uint8)
    assert np.abs(doubled(flat).astype(int) - (30, 120, 240)).max() <= 3


def test_a_grey_photo_stays_grey(truth) -> None:
    grey = cv2.cvtColor(cv2.cvtColor(truth, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    assert np.ptp(doubled(grey), axis=2).max() == 0
