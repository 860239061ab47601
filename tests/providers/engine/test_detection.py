"""Where faces are looked for, and from which size on."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from providers.engine.embedded import photo
from providers.engine.embedded.animate import count_faces
from providers.engine.embedded.detection import find_boxes
from providers.engine.embedded.faces import find_faces
from providers.engine.embedded.fields import Pixels


def pasted(head: Pixels, shape: tuple[int, int], *corners: tuple[int, int]) -> Pixels:
    """A grey picture with a head at these corners (left, top)."""
    picture = np.full((*shape, 3), 120, np.uint8)
    height, width = head.shape[:2]
    for left, top in corners:
        picture[top : top + height, left : left + width] = head
    return picture


def portrait(samples: Path, side: int) -> Pixels:
    """A head, square, so many pixels wide; its face is half as wide."""
    head = photo.read(samples / "portrait.jpg", long_side=512)[10:230, 116:336]
    return np.asarray(cv2.resize(head, (side, side), interpolation=cv2.INTER_AREA))


@pytest.mark.parametrize("shape", [(640, 960), (960, 640), (720, 1280), (160, 1280)])
def test_a_small_face_is_found_in_any_corner(samples: Path, shape: tuple[int, int]) -> None:
    side = max(shape) // 8
    small = portrait(samples, side)
    bottom, right = shape[0] - side, shape[1] - side
    for corner in ((0, 0), (right, 0), (0, bottom), (right, bottom)):
        found = find_boxes(pasted(small, shape, corner))
        assert len(found) == 1, corner
        face = found[0]
        assert abs(face.left + face.width / 2 - corner[0] - side / 2) < side / 4
        assert abs(face.top + face.height / 2 - corner[1] - side / 2) < side / 4


def test_the_small_faces_of_a_group_are_found_where_eyes_are_to_be_spared(samples: Path) -> None:
    corners = [(75 * column, 75 * row) for row in range(4) for column in range(6)]
    group = pasted(portrait(samples, 60), (300, 450), *corners)
    assert find_faces(group, at_most=40) == []
    assert len(find_faces(group, at_most=40, thorough=True)) == len(corners)
    assert len(find_faces(group, at_most=5, thorough=True)) == 5


def test_small_faces_beside_a_large_one_are_found_where_eyes_are_to_be_spared(
    samples: Path,
) -> None:
    family = pasted(
        portrait(samples, 90), (667, 1000), *((20 + 120 * each, 40) for each in range(8))
    )
    family[200:640, 300:740] = portrait(samples, 440)
    assert len(find_faces(family, at_most=40)) < 9
    assert len(find_faces(family, at_most=40, thorough=True)) == 9


def test_a_face_that_is_enlarged_before_it_moves_is_counted_before_the_order(
    samples: Path, tmp_path: Path
) -> None:
    cv2.imwrite(str(tmp_path / "photo.png"), pasted(portrait(samples, 64), (300, 300), (110, 110)))
    assert count_faces(tmp_path / "photo.png") == 1
