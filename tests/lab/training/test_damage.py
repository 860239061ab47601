"""Drawn damage: what is called damaged must be exactly what a person would see as damage."""

import numpy as np
import pytest

from lab.training.borders import border
from lab.training.crops import CropStore, draw_crop
from lab.training.damage import KINDS
from lab.training.lookalikes import with_lookalikes
from lab.training.scenes import SIZE, draw_scene
from lab.training.sheet import Sheet


def sheet_of(level: float) -> Sheet:
    return Sheet.of(np.full((96, 128, 3), level, np.float32))


def scene(seed: int):
    grey = draw_scene(np.random.default_rng(seed))[:128, :160]
    return np.repeat(grey[..., None], 3, axis=2)


def test_a_white_mark_on_white_paper_is_neither_damage_nor_none() -> None:
    cover = np.zeros((96, 128), np.float32)
    cover[40:44] = 1
    grey = sheet_of(120)
    grey.lay(cover, np.random.default_rng(1))
    white = Sheet.of(grey.picture)
    white.lay(cover, np.random.default_rng(1))
    assert not white.damaged.any()
    assert white.doubtful()[40:44].all()
    assert grey.damaged[40:44].all()
    assert not grey.damaged[:38].any() and not grey.doubtful().any()


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_marks_what_it_changed_and_nothing_else(kind: str) -> None:
    draw, _ = KINDS[kind]
    sheet = sheet_of(100)
    for seed in range(4):
        before = sheet.picture
        was = sheet.damaged.copy()
        draw(sheet, np.random.default_rng(seed), 1.0)
        assert sheet.picture.shape == (96, 128, 3)
        assert np.isfinite(sheet.picture).all()
        changed = np.abs(sheet.picture - before).max(axis=-1)
        if kind != "fold":  # it changes the light of all that is near
            assert (changed[sheet.damaged & ~was] > 0).all()
    assert 0 < sheet.damaged.mean() < 0.9


def test_the_edge_of_a_print_is_no_damage() -> None:
    sheets = [sheet_of(100) for _ in range(6)]
    for seed, sheet in enumerate(sheets):
        border(sheet, np.random.default_rng(seed))
        assert not sheet.damaged.any()
    assert any(sheet.doubtful().any() for sheet in sheets)


def test_the_same_seed_draws_the_same_print() -> None:
    first, again, other = (
        draw_crop(scene(1), np.random.default_rng(seed), damaged=True) for seed in (2, 2, 3)
    )
    assert np.array_equal(first.picture, again.picture)
    assert np.array_equal(first.damaged, again.damaged)
    assert not np.array_equal(first.picture, other.picture)


def test_a_sound_print_has_lookalikes_but_no_damage() -> None:
    for seed in range(12):
        crop = draw_crop(scene(seed), np.random.default_rng(seed), damaged=False)
        assert not crop.damaged.any()
        drawn = with_lookalikes(scene(seed).astype(np.float32), np.random.default_rng(seed))
        assert drawn.shape == (128, 160, 3)


def test_crops_are_cut_from_photos_of_any_size() -> None:
    photos = [(1, scene(1)), (3, np.repeat(np.repeat(scene(2), 9, axis=0), 9, axis=1))]
    store = CropStore(photos, np.random.default_rng(5))
    crops = [store.draw(64) for _ in range(12)]
    assert {crop.picture.shape for crop in crops} == {(64, 64, 3)}
    assert {crop.damaged.shape for crop in crops} == {(64, 64)}
    assert any(crop.damaged.any() for crop in crops)
    assert any(not crop.damaged.any() for crop in crops)


def test_drawn_scenes_are_whole_pictures_with_detail() -> None:
    rng = np.random.default_rng(4)
    for _ in range(12):
        drawn = draw_scene(rng)
        assert drawn.shape == (SIZE, SIZE)
        assert drawn.dtype == np.uint8
        assert drawn.std() > 1
