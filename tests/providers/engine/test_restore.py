"""Restored pictures are compared with the originals that the damage was drawn over."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from lab.training.damage import KINDS
from lab.training.sheet import Sheet
from providers.engine.embedded import damage, filling, grain, photo, restore, tone
from providers.engine.embedded.faces import find_faces


@pytest.fixture(scope="module")
def original(samples):
    return photo.read(samples / "portrait.jpg", long_side=1280)


MENDED = {"cracks": 0.65, "fold": 0.65, "flakes": 0.7, "scratches": 0.55, "dust": 0.5}
"""Of what painting over could mend, how much must be mended at least."""


@pytest.fixture(scope="module")
def cracked(original):
    """The photo as a damaged print, and where each kind of damage lies."""
    sheet = Sheet.of(original.astype(np.float32))
    where = {kind: np.zeros(sheet.shape, bool) for kind in MENDED}
    for seed, kind in enumerate((*MENDED, *MENDED, "cracks", "cracks")):
        draw, _ = KINDS[kind]
        before = sheet.damaged.copy()
        draw(sheet, np.random.default_rng(seed), 1.0)
        where[kind] |= sheet.damaged & ~before
    return np.clip(sheet.picture, 0, 255).astype(np.uint8), where


@pytest.fixture(scope="module")
def cracked_file(cracked, tmp_path_factory):
    path = tmp_path_factory.mktemp("photos") / "cracked.jpg"
    Image.fromarray(cracked[0][:, :, ::-1]).save(path, quality=92)
    return path


@pytest.fixture(scope="module")
def restored_print(make, cracked_file):
    return make("restore", cracked_file)


@pytest.fixture(scope="module")
def sound(make, samples):
    return make("restore", samples / "portrait.jpg")


@pytest.fixture(scope="module")
def sepia(make, samples):
    return make("restore", samples / "damaged_sepia_portrait.jpg")


@pytest.fixture(scope="module")
def faded(make, samples):
    return make("restore", samples / "damaged_faded_portrait.jpg")


def at_size(picture, like):
    size = (like.shape[1], like.shape[0])
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def error(picture, truth, where) -> float:
    return float(np.abs(picture[where].astype(int) - truth[where]).mean())


@pytest.mark.parametrize("kind", MENDED)
def test_damage_is_found_and_gone(restored_print, cracked_file, cracked, original, kind):
    """Measured against the same print with all its damage known: that is as good as it gets.

    What was under a wide crack nobody knows; what fills it fits, and is not the same.
    """
    before = photo.read(cracked_file, long_side=1280)
    damaged = np.any([*cracked[1].values()], axis=0).astype(np.uint8)
    known = filling.fill(before, 255 * cv2.dilate(damaged, np.ones((5, 5), np.uint8)))
    here = cracked[1][kind]
    was, now, best = (
        error(picture, original, here)
        for picture in (before, at_size(restored_print.picture, original), known)
    )
    assert (was - now) / (was - best) > MENDED[kind]


def test_what_was_not_cracked_stays_as_it_was(restored_print, cracked, original):
    restored = at_size(restored_print.picture, original)
    damaged = np.any([*cracked[1].values()], axis=0).astype(np.uint8)
    sound = cv2.dilate(damaged, np.ones((9, 9))) == 0
    changes = np.abs(restored[sound].astype(int) - original[sound])
    assert np.median(changes) <= 2
    assert changes.mean() < 5
    assert 4 < restored_print.meta["mendedPercent"] < 12


def test_one_plain_scratch_is_repaired_and_nothing_else_touched(make, original, tmp_path_factory):
    scratch = np.zeros(original.shape[:2], np.uint8)
    cv2.line(scratch, (20, 330), (75, 120), 255, 2, cv2.LINE_AA)
    cv2.line(scratch, (75, 120), (95, 20), 255, 2, cv2.LINE_AA)
    damaged = original.copy()
    damaged[scratch > 60] = 238
    path = tmp_path_factory.mktemp("photos") / "one_scratch.png"
    Image.fromarray(damaged[:, :, ::-1]).save(path)
    product = make("restore", path)
    assert 0.1 < product.meta["mendedPercent"] < 2
    restored = at_size(product.picture, original)
    assert error(restored, original, scratch > 60) < 0.4 * error(damaged, original, scratch > 60)
    elsewhere = cv2.dilate(scratch, np.ones((21, 21), np.uint8)) == 0
    assert error(restored, original, elsewhere) < 3


@pytest.mark.parametrize(
    "name", ["portrait.jpg", "man_profile_bw.jpg", "no_face_cat.jpg", "tiny_portrait_150px.jpg"]
)
def test_a_sound_photo_is_enlarged_and_otherwise_left_alone(make, samples, name):
    product = make("restore", samples / name)
    source = photo.read(samples / name, long_side=1280)
    assert product.meta["mendedPercent"] == 0
    assert product.picture.shape == (2 * source.shape[0], 2 * source.shape[1], 3)
    assert np.abs(at_size(product.picture, source).astype(int) - source).mean() < 3


def test_a_photo_of_middling_size_keeps_its_finest_lines(make, tmp_path):
    """What is shrunk to half of the result's size and then doubled has lost them."""
    x = np.arange(1600)
    fence = (128 + 60 * np.sin(2 * np.pi * x / 2.4)).astype(np.uint8)
    picture = np.repeat(fence[None], 400, axis=0)[..., None].repeat(3, axis=2)
    Image.fromarray(picture).save(tmp_path / "fence.png")
    product = make("restore", tmp_path / "fence.png")
    assert product.picture.shape == (640, 2560, 3)
    shown = cv2.resize(product.picture, (1600, 400), interpolation=cv2.INTER_CUBIC)
    middle = (slice(100, 300), slice(100, 1500))
    alike = np.corrcoef(shown[middle].ravel(), picture[middle].ravel())[0, 1]
    assert alike > 0.9


def test_enlarging_shows_more_than_resizing_does(sound, original):
    """The network restores edges that a plain resize leaves soft."""
    resized = cv2.resize(original, sound.picture.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    sharpness = [cv2.Laplacian(picture, cv2.CV_32F).std() for picture in (sound.picture, resized)]
    assert sharpness[0] > 1.3 * sharpness[1]


def test_a_faded_print_gets_its_contrast_back_and_keeps_its_tone(sepia, samples):
    before = photo.read(samples / "damaged_sepia_portrait.jpg", long_side=1280)
    low, high = np.percentile(before, (1, 99)), np.percentile(sepia.picture, (1, 99))
    assert np.ptp(high) > 1.2 * np.ptp(low)
    assert sepia.meta["mono"] is True
    (was_blue, _, was_red), (blue, _, red) = (
        np.median(picture.reshape(-1, 3), axis=0) for picture in (before, sepia.picture)
    )
    assert abs((red - blue) - (was_red - was_blue)) < 15, "sepia it was and is"
    assert grain.sigma(sepia.picture) < 0.7 * grain.sigma(before)
    assert tone.fading(before) > 0.9 and tone.fading(sepia.picture) < 0.1


def test_a_yellowed_colour_photo_loses_its_cast_and_keeps_its_colours(faded, samples):
    def backdrop_cast(picture) -> float:
        height, width = picture.shape[:2]
        patch = picture[: height // 8, width // 4 : width // 2].reshape(-1, 3).mean(axis=0)
        return float(np.ptp(patch))

    before = photo.read(samples / "damaged_faded_portrait.jpg", long_side=1280)
    assert backdrop_cast(faded.picture) < 0.6 * backdrop_cast(before)
    assert faded.meta["mono"] is False
    suit = at_size(faded.picture, before)[300:340, 40:80].reshape(-1, 3).mean(axis=0)
    assert suit[2] > suit[1] + 50 > suit[0], "the orange suit is orange"


def test_contrast_does_not_show_more_of_a_crack_that_is_left(make, samples, tmp_path):
    sound = photo.read(samples / "man_profile_bw.jpg", long_side=600)
    sheet = Sheet.of(75 + 0.45 * sound.astype(np.float32))
    KINDS["cracks"][0](sheet, np.random.default_rng(1), 0.7)
    pale = np.clip(sheet.picture, 0, 255).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "pale.png"), pale)
    product = make("restore", tmp_path / "pale.png")
    assert product.meta["mendedPercent"] == 0, "a few thin cracks prove nothing"
    crack = sheet.damaged.astype(np.uint8)
    beside = (cv2.dilate(crack, np.ones((9, 9))) > 0) & (cv2.dilate(crack, np.ones((3, 3))) == 0)

    def contrast(picture) -> float:
        return abs(float(picture[crack > 0].mean()) - float(picture[beside].mean()))

    after = at_size(product.picture, pale)
    assert contrast(after) < 1.1 * contrast(pale)
    assert after.std() > 1.5 * pale.std()


def test_a_photo_that_is_hardly_faded_keeps_its_grain(make, samples, tmp_path):
    sharp = photo.read(samples / "no_face_cat.jpg", long_side=600).astype(np.float32)
    grainy = sharp + np.random.default_rng(1).normal(0, 6, (*sharp.shape[:2], 1))
    for lift, kept in ((10, True), (45, False)):
        pale = np.clip(lift + grainy * (255 - lift) / 255, 0, 255).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"{lift}.png"), pale)
        product = make("restore", tmp_path / f"{lift}.png")
        left = grain.sigma(at_size(product.picture, pale)) / grain.sigma(pale)
        assert (product.meta["fading"] > 0.2, left > 0.8) == (not kept, kept)


@pytest.mark.parametrize(("coloured", "share"), [(False, 0.5), (True, 0.8)])
def test_less_of_what_has_faded_comes_back_where_much_damage_is_left(coloured, share):
    rising = np.linspace(90, 200, 400).astype(np.uint8)[None, :, None].repeat(300, 0).repeat(3, 2)
    rising[100:200, :, 0] -= 40 * coloured
    nothing = np.zeros((300, 400), np.uint8)
    left = np.zeros((300, 400), np.float32)
    sound = restore._examine(damage.Mending(rising, nothing, left, proven=True))
    assert sound.fading > 0.9 and sound.brought_back == 1
    left[:3] = 0.5
    damaged = restore._examine(damage.Mending(rising, nothing, left, proven=True))
    assert damaged.brought_back == pytest.approx(share)
    unproven = restore._examine(damage.Mending(rising, nothing, left, proven=False))
    assert unproven.brought_back == 1
    left[:200] = 0.5
    beyond_lifting = restore._examine(damage.Mending(rising, nothing, left, proven=True))
    assert beyond_lifting.brought_back == (0.8 if coloured else 0)
    assert beyond_lifting.fading == damaged.fading == sound.fading, "how faded it is stays a fact"


@pytest.mark.parametrize("level", [255, 180, 90])
def test_a_page_without_contrast_stays_as_light_as_it_is(make, tmp_path_factory, level):
    path = tmp_path_factory.mktemp("blank") / "page.png"
    Image.new("L", (200, 100), level).save(path)
    assert abs(make("restore", path).picture.mean() - level) < 8


def test_the_face_stays_the_persons_own(sepia, samples):
    before = photo.read(samples / "damaged_sepia_portrait.jpg", long_side=1280)
    (was,) = find_faces(before, at_most=2)
    (now,) = find_faces(sepia.picture, at_most=2)
    shift = np.linalg.norm(now.points[:, :2] / 2 - was.points[:, :2], axis=1)
    assert np.median(shift) < 0.02 * was.width


def test_a_large_photo_keeps_its_own_pixels(make, original, tmp_path_factory):
    large = cv2.resize(original, (2000, 2000), interpolation=cv2.INTER_CUBIC)
    path = tmp_path_factory.mktemp("photos") / "large.jpg"
    Image.fromarray(large[:, :, ::-1]).save(path, quality=95)
    product = make("restore", path)
    assert product.picture.shape == (2000, 2000, 3)
    assert np.abs(product.picture.astype(int) - large).mean() < 2


def test_a_photo_stored_sideways_comes_out_upright_and_without_its_place(make, samples):
    product = make("restore", samples / "exif_rotated_gps.jpg")
    with Image.open(product.result.path) as picture:
        assert picture.format == "JPEG"
        assert not picture.getexif()
        assert picture.height > picture.width
    written = product.result.path.read_bytes()
    assert b"Exif" not in written and b"GPS" not in written
    (face,) = find_faces(product.picture, at_most=2)
    assert abs(face.angle) < 0.3


def test_progress_never_falls_and_ends_at_100(sepia):
    assert sepia.percents == sorted(set(sepia.percents))
    assert sepia.percents[-1] == 100


def test_the_result_tells_how_it_was_made(sepia):
    meta = sepia.meta
    assert (sepia.result.media_type, sepia.result.content_type) == ("image", "image/jpeg")
    assert (meta["engine"], meta["faces"]) == ("embedded", 1)
    assert (meta["sourceWidth"], meta["sourceHeight"]) == (576, 640)
    assert (meta["width"], meta["height"]) == (1152, 1280)
    assert meta["mendedPercent"] > 2
    assert meta["damageLeft"] is False
