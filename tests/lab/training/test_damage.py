"""Drawn damage: its mask must tell exactly what a person would see as damage."""

import numpy as np

from lab.training.damage import Sheet, damage_crop, draw_scratch
from lab.training.scenes import SIZE, draw_scene


def sheet_of(tone: float) -> Sheet:
    return Sheet(np.full((96, 96), tone, np.float32), np.zeros((96, 96), np.float32))


def test_a_white_mark_on_white_paper_is_not_damage() -> None:
    layer = np.zeros((96, 96), np.uint8)
    layer[40:44] = 255
    white, grey = sheet_of(253), sheet_of(120)
    white.lay(layer, 255, opacity=0.5, softness=0)
    grey.lay(layer, 255, opacity=0.5, softness=0)
    assert not white.mask.any()
    assert grey.mask[40:44].all()
    assert not grey.mask[:38].any()


def test_the_mask_covers_what_a_scratch_changed_and_nothing_else() -> None:
    sheet = sheet_of(128)
    rng = np.random.default_rng(5)
    for _ in range(6):
        draw_scratch(sheet, rng, length=60)
    changed = np.abs(sheet.grey - 128)
    assert sheet.mask.any()
    assert (changed[sheet.mask > 0] > 5).all()
    assert changed[sheet.mask == 0].max() < 60


def test_the_same_seed_draws_the_same_damage() -> None:
    scene = draw_scene(np.random.default_rng(1)).astype(np.float32)
    first = damage_crop(scene, np.random.default_rng(2))
    again = damage_crop(scene, np.random.default_rng(2))
    other = damage_crop(scene, np.random.default_rng(3))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert not np.array_equal(first[1], other[1])


def test_drawn_scenes_are_whole_pictures_with_detail() -> None:
    rng = np.random.default_rng(4)
    for _ in range(12):
        scene = draw_scene(rng)
        assert scene.shape == (SIZE, SIZE)
        assert scene.dtype == np.uint8
        assert scene.std() > 1
