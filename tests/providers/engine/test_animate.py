"""Measures the video itself: what a customer would see."""

from __future__ import annotations

import subprocess

import cv2
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from providers.engine.embedded import faces, looks, photo
from providers.engine.embedded.faces import Face, find_faces


@pytest.fixture(scope="module")
def portrait(make, samples):
    return make("animate", samples / "portrait.jpg")


@pytest.fixture(scope="module")
def portrait_faces(portrait) -> list[Face]:
    """The face in every second frame."""
    found = [find_faces(frame, at_most=2) for frame in portrait.frames[::2]]
    assert all(len(people) == 1 for people in found)
    return [people[0] for people in found]


@pytest.fixture(scope="module")
def two_people(make, samples):
    return make("animate", samples / "two_faces.jpg")


@pytest.fixture(scope="module")
def cup(make, samples):
    return make("animate", samples / "no_face_cup.jpg")


@pytest.fixture(scope="module")
def old_print(make, samples):
    return make("animate", samples / "damaged_sepia_portrait.jpg")


@pytest.fixture(scope="module")
def tiny(make, samples, tmp_path_factory):
    """150x183, stored sideways, with an EXIF block that says so and where it was taken."""
    path = tmp_path_factory.mktemp("photos") / "tiny.jpg"
    with (
        Image.open(samples / "tiny_portrait_150px.jpg") as upright,
        Image.open(samples / "exif_rotated_gps.jpg") as located,
    ):
        sideways = upright.transpose(Image.Transpose.ROTATE_90)
        sideways.save(path, exif=located.getexif(), quality=95)
    assert b"Exif" in path.read_bytes()
    return make("animate", path)


def eye_openings(face: Face) -> tuple[float, float]:
    return (
        face.distance(159, 145) / face.distance(33, 133),
        face.distance(386, 374) / face.distance(362, 263),
    )


def nose_offset(face: Face) -> float:
    middle = (face.points[faces.RIGHT_CHEEK_EDGE, 0] + face.points[faces.LEFT_CHEEK_EDGE, 0]) / 2
    return (face.points[faces.NOSE_TIP, 0] - middle) / face.width


def difference(first, second) -> float:
    return float(np.abs(first.astype(int) - second).mean())


def shrinkage(first, second) -> float:
    """How many times larger things are in the second frame."""
    points = cv2.goodFeaturesToTrack(cv2.cvtColor(first, cv2.COLOR_BGR2GRAY), 300, 0.01, 8)
    moved, found, _ = cv2.calcOpticalFlowPyrLK(first, second, points, None, winSize=(31, 31))
    kept = found.ravel() == 1
    matrix, _ = cv2.estimateAffinePartial2D(points[kept], moved[kept])
    return float(np.hypot(matrix[0, 0], matrix[1, 0]))


def test_a_photo_becomes_four_seconds_of_h264_that_every_phone_plays(portrait):
    video = cv2.VideoCapture(str(portrait.result.path))
    assert video.get(cv2.CAP_PROP_FPS) == 25
    assert len(portrait.frames) == 100
    height, width = portrait.frames[0].shape[:2]
    assert (width, height) == (960, 960)
    probe = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-i", portrait.result.path],
        capture_output=True,
        text=True,
        check=False,
    ).stderr
    stream = next(line for line in probe.splitlines() if "Stream" in line)
    assert "h264" in stream and "yuv420p" in stream and "bt709" in stream
    assert "Audio" not in probe
    written = portrait.result.path.read_bytes()
    assert written.index(b"moov") < written.index(b"mdat"), "must start before it is all loaded"
    assert len(written) < 2_000_000


def test_colours_of_the_video_are_those_of_the_photo(portrait, samples):
    upright = photo.read(samples / "portrait.jpg", long_side=960)
    assert np.abs(upright.mean((0, 1)) - portrait.frames[0].mean((0, 1))).max() < 3


def test_the_person_blinks_with_both_eyes(portrait_faces):
    openings = np.array([eye_openings(face) for face in portrait_faces])
    shut = openings < 0.72 * np.median(openings, axis=0)
    together = np.flatnonzero(shut.all(axis=1))
    assert len(together) >= 2
    assert len(together) < 15, "a blink is short"
    assert np.any(np.diff(together) > 10), "blinks twice in a loop"


def test_the_person_smiles(portrait_faces):
    smiles = [face.distance(61, 291) / face.width for face in portrait_faces]
    assert max(smiles) > 1.08 * smiles[0]


def test_the_head_turns_to_one_side_and_then_to_the_other(portrait_faces):
    offsets = np.array([nose_offset(face) for face in portrait_faces])
    assert offsets[8:18].mean() > 0.02 > -0.04 > offsets[33:43].mean()


def test_the_last_frame_meets_the_first(portrait, two_people, cup):
    for product in (portrait, two_people, cup):
        frames = product.frames
        seam = difference(frames[-1], frames[0])
        assert seam < 0.35 * difference(frames[25], frames[0])
        steps = [difference(frames[at], frames[at + 1]) for at in range(0, 99, 6)]
        assert seam < 1.5 * max(steps), "the seam must not stand out among ordinary steps"


def test_the_face_stays_whole(portrait_faces):
    """A torn outline would no longer be a gently moved copy of the resting one."""
    rest = portrait_faces[0]
    for face in portrait_faces:
        outline = face.points[faces.OVAL, :2]
        matrix, _ = cv2.estimateAffine2D(rest.points[faces.OVAL, :2], outline)
        expected = rest.points[faces.OVAL, :2] @ matrix[:, :2].T + matrix[:, 2]
        assert np.abs(outline - expected).max() < 0.15 * rest.width
        assert face.score > 0.9


def test_progress_never_falls_and_ends_at_100(portrait, cup):
    for product in (portrait, cup):
        assert product.percents == sorted(set(product.percents))
        assert product.percents[0] >= 0
        assert product.percents[-1] == 100
        assert len(product.percents) > 20


def test_the_result_tells_how_it_was_made(portrait):
    meta = portrait.meta
    assert portrait.result.media_type == "video"
    assert portrait.result.content_type == "video/mp4"
    assert (meta["engine"], meta["faces"], meta["frames"]) == ("embedded", 1, 100)
    assert (meta["width"], meta["height"], meta["durationSeconds"]) == (960, 960, 4.0)
    assert meta["seconds"] > 0 and 50 < meta["peakMemoryMb"] < 1024
    assert meta["bytes"] == portrait.result.path.stat().st_size


def test_a_sound_photo_is_not_repaired_before_it_is_animated(portrait):
    assert portrait.meta["mendedPercent"] == 0


def test_two_people_both_blink_but_not_in_step(two_people):
    assert two_people.meta["faces"] == 2
    left, right = [], []
    for frame in two_people.frames[14:40]:
        people = sorted(find_faces(frame, at_most=3), key=lambda face: face.centre[0])
        assert len(people) == 2
        left.append(np.mean(eye_openings(people[0])))
        right.append(np.mean(eye_openings(people[1])))
    for openings in (left, right):
        assert min(openings) < 0.8 * np.median(openings)
    assert abs(int(np.argmin(left)) - int(np.argmin(right))) >= 3


def test_without_a_face_the_camera_comes_closer_and_goes_back(cup):
    assert cup.meta["faces"] == 0
    assert 1.03 < shrinkage(cup.frames[0], cup.frames[50]) < 1.2
    assert abs(shrinkage(cup.frames[0], cup.frames[-1]) - 1) < 0.01


def test_a_cat_is_not_taken_for_a_person(samples):
    cat = cv2.imread(str(samples / "no_face_cat.jpg"))
    assert cat is not None and find_faces(cat, at_most=4) == []


def test_an_old_print_is_repaired_before_it_is_animated(old_print, samples):
    assert old_print.meta["mendedPercent"] > 2
    height, width = old_print.first_frame.shape[:2]
    before = cv2.resize(cv2.imread(str(samples / "damaged_sepia_portrait.jpg")), (width, height))
    was, now = (looks.look(picture) > 0.5 for picture in (before, old_print.first_frame))
    assert was.mean() > 0.01
    assert now.mean() < 0.35 * was.mean()


def test_a_photo_stored_sideways_comes_out_upright_and_without_its_place(tiny):
    assert (tiny.meta["width"], tiny.meta["height"]) == (300, 366)
    (face,) = find_faces(tiny.frames[0], at_most=2)
    assert abs(face.angle) < 0.3
    written = tiny.result.path.read_bytes()
    for trace in (b"Exif", b"GPS", b"\xa9xyz", b"loci"):
        assert trace not in written


def test_a_tiny_photo_is_enlarged_and_animated(tiny):
    assert (tiny.meta["width"], tiny.meta["height"]) == (300, 366)
    openings = [
        np.mean(eye_openings(face))
        for frame in tiny.frames[15:35]
        for face in find_faces(frame, at_most=1)
    ]
    assert len(openings) == 20
    assert min(openings) < 0.8 * np.median(openings)
