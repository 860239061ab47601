"""Examples for the filler: only the holes differ from what was under the marks."""

import numpy as np

from lab.training import holes
from lab.training.scenes import draw_scene
from providers.engine.embedded import filling


def examples() -> list[holes.Example]:
    rng = np.random.default_rng(1)
    scenes = [draw_scene(rng)[:128, :128, None].repeat(3, axis=2) for _ in range(12)]
    return [made for scene in scenes if (made := holes.example(scene, rng)) is not None]


def test_beside_the_holes_a_print_is_what_it_was_before_it_was_damaged() -> None:
    found = examples()
    assert len(found) > 5
    for seen, hole, truth in found:
        changed = np.abs(seen.astype(int) - truth)
        assert holes.LEAST < np.mean(hole > 0) < holes.MOST
        assert changed[hole == 0].mean() < 8  # a shadow of the mark may reach over, and JPEG
        assert changed[hole > 0].mean() > 2 * changed[hole == 0].mean()


def test_holes_are_filled_as_the_engine_fills_them_before_it_asks_the_net() -> None:
    for seen, hole, _ in examples()[:3]:
        filled = holes.from_the_rims(seen, hole)
        assert np.array_equal(filled, filling.fill_smoothly(seen, hole))
