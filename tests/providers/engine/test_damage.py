"""What is called a mark, and how it is painted over. Faces and sound things must survive it."""

from __future__ import annotations

import json
import time

import cv2
import numpy as np
import pytest

from providers.engine.embedded import damage, filling, marks, tone
from providers.engine.embedded import grain as film_grain
from providers.engine.embedded import photo as photo_file
from providers.engine.embedded.faces import find_faces
from providers.engine.embedded.fields import Plane
from providers.engine.embedded.looks import Looks


def grain(height: int, width: int, level: float = 120, sigma: float = 6):
    noise = np.random.default_rng(1).normal(0, sigma, (height, width, 1))
    return np.clip(level + noise, 0, 255).repeat(3, axis=2).astype(np.uint8)


def seen(own, larger=None, smaller=None) -> Looks:
    return Looks(own, own if larger is None else larger, own if smaller is None else smaller)


def plane(*strokes: tuple[tuple[int, int], tuple[int, int], int]):
    drawn = np.zeros((300, 400), np.uint8)
    for start, end, width in strokes:
        cv2.line(drawn, start, end, 255, width)
    return np.where(drawn > 0, 0.95, 0.02).astype(np.float32)


NOTHING = np.zeros((300, 400), np.uint8)
CRACK = plane(((20, 40), (320, 90), 3))


def test_a_long_crack_is_a_mark() -> None:
    found = marks.of_damaged(seen(CRACK), NOTHING)
    assert found[CRACK > 0.5].all()
    assert np.count_nonzero(found) < 3 * np.count_nonzero(CRACK > 0.5)


COLLAR = plane(((200, 150), (204, 170), 40))
LAMP = plane(((200, 150), (202, 154), 28))
BROAD = plane(((154, 61), (164, 62), 14))
BROAD_CRACK = np.maximum(CRACK, BROAD)


@pytest.mark.parametrize("patch", [COLLAR, LAMP])
def test_a_wide_patch_is_a_mark_only_if_the_enlarged_picture_agrees(patch: Plane) -> None:
    assert not marks.of_damaged(seen(patch, larger=0 * patch), NOTHING).any()
    assert marks.of_damaged(seen(patch), NOTHING).any()


@pytest.mark.parametrize(
    ("own", "smaller", "broad"), [(0.7, 0.8, True), (0.7, 0.6, False), (0.3, 0.9, False)]
)
def test_a_crack_is_a_mark_where_it_is_broad_too_if_both_sizes_are_sure(
    own: float, smaller: float, broad: bool
) -> None:
    def with_place(level: float) -> Plane:
        return np.where(BROAD > 0.5, level, CRACK).astype(np.float32)

    looks = seen(with_place(own), with_place(0), with_place(smaller))
    found = marks.of_damaged(looks, NOTHING) > 0
    assert found[(CRACK > 0.5) & (BROAD < 0.5)].mean() > 0.9
    assert (found[BROAD > 0.5].mean() > 0.95) == broad


def test_a_collar_that_a_crack_runs_into_stays() -> None:
    collar = plane(((170, 55), (170, 75), 40))
    both = np.maximum(CRACK, collar)
    enlarged = np.where(collar > 0.5, 0, CRACK).astype(np.float32)
    found = marks.of_damaged(seen(both, enlarged), NOTHING) > 0
    assert found[collar > 0.5].mean() < 0.1
    assert marks.proof(both, both) < marks.proof(CRACK, CRACK)


def test_a_broad_place_of_a_crack_proves_damage_and_a_lamp_does_not() -> None:
    assert marks.proof(BROAD_CRACK, BROAD_CRACK) > marks.proof(CRACK, CRACK) + 0.0005
    assert marks.proof(LAMP, LAMP) == 0


def test_what_lies_in_an_eye_is_no_mark_and_a_crack_across_it_stays_one() -> None:
    eye = NOTHING.copy()
    cv2.ellipse(eye, (170, 65), (22, 12), 0, 0, 360, 1, -1)
    catch_light = plane(((168, 64), (173, 66), 5))
    assert not marks.of_damaged(seen(catch_light), eye).any()
    crossing = marks.of_damaged(seen(CRACK), eye)
    assert (crossing[CRACK > 0.5] > 0).mean() > 0.9
    hesitant = np.where((CRACK > 0.5) & (eye > 0), 0.7, CRACK).astype(np.float32)
    found = marks.of_damaged(seen(hesitant), eye)
    assert not found[cv2.erode(eye, np.ones((9, 9), np.uint8)) > 0].any()
    assert found[30:60, 20:120].any()


def test_paper_in_a_brow_is_a_mark_and_a_glint_in_an_eye_is_none() -> None:
    feature = NOTHING.copy()
    feature[120:136, 150:200] = 1
    piece = plane(((165, 127), (185, 128), 5))
    assert not marks.of_damaged(seen(piece), feature * marks.EYES_AND_LIPS).any()
    assert marks.of_damaged(seen(piece), feature * marks.BROWS)[piece > 0.5].all()
    crossing = plane(((20, 127), (330, 128), 3))
    hesitant = np.where((crossing > 0.5) & (feature > 0), 0.5, crossing).astype(np.float32)
    found = marks.of_damaged(seen(hesitant), feature * marks.BROWS)
    assert not found[cv2.erode(feature, np.ones((9, 9), np.uint8)) > 0].any()
    assert found[120:136, 20:140].any()


def test_a_crack_beside_an_eye_does_not_grow_into_it() -> None:
    lid = NOTHING.copy()
    lid[120:140, 150:200] = 1
    beside = plane(((20, 117), (330, 117), 3))  # its lowest row is 118
    found = marks.of_damaged(seen(beside), lid) > 0
    assert found[119, 20:140].all(), "it grows"
    assert found[118, 150:200].all()
    assert not found[lid > 0].any()
    assert marks.of_damaged(seen(beside), lid * marks.BROWS)[120, 150:200].all()


def test_a_single_scratch_must_be_sure_at_every_size() -> None:
    assert marks.of_sound(seen(CRACK), NOTHING).any()
    assert not marks.of_sound(seen(CRACK, smaller=0.4 * CRACK), NOTHING).any()
    assert not marks.of_sound(seen(0.8 * CRACK), NOTHING).any()


@pytest.mark.parametrize("width", [3, 21])
def test_a_filled_mark_has_the_tone_and_the_grain_of_its_surroundings(width: int) -> None:
    photo = grain(200, 260)
    mask = np.zeros((200, 260), np.uint8)
    cv2.line(mask, (30, 30), (220, 150), 255, width)
    torn = photo.copy()
    torn[mask > 0] = (210, 235, 245)
    filled = filling.fill(torn, mask)
    inside = cv2.erode(mask, np.ones((2, 2), np.uint8)) > 0
    assert abs(float(filled[inside].mean()) - 120) < 6
    assert filled[inside].std() > 0.35 * photo.std(), "no plastic"
    assert np.array_equal(filled[mask == 0], torn[mask == 0])
    assert np.array_equal(filled, filling.fill(torn, mask)), "the same every time"


def test_filling_much_of_a_large_photo_takes_seconds() -> None:
    photo = grain(1400, 2000)
    mask = np.zeros((1400, 2000), np.uint8)
    for number in range(12):
        cv2.line(mask, (150 * number, 0), (150 * number + 90, 1400), 255, 24)
    started = time.process_time()
    filled = filling.fill(photo, mask)
    assert time.process_time() - started < 40
    assert filled.shape == photo.shape


@pytest.mark.parametrize("side", [1000, 1300, 2560])
def test_a_narrow_mark_needs_no_pieces_however_large_the_photo_is(monkeypatch, side: int) -> None:
    """They would take seconds."""
    monkeypatch.setattr("patchmatch.patch_match.inpaint", None)
    mask = np.zeros((round(0.7 * side), side), np.uint8)
    start, end = (side // 10, side // 10), (9 * side // 10, 6 * side // 10)
    cv2.line(mask, start, end, 255, round(7 * side / 1000))
    filled = filling.fill(grain(*mask.shape), mask)
    assert abs(float(filled[mask > 0].mean()) - 120) < 3


@pytest.mark.parametrize("side", [900, 1900])
def test_a_wide_mark_has_the_grain_of_the_photo_however_large_that_is(side: int) -> None:
    photo = grain(side // 2, side)
    mask = np.zeros(photo.shape[:2], np.uint8)
    mask[side // 5 : side // 5 + side // 30] = 255
    filled = filling.fill(photo, mask)
    inside = cv2.erode(mask, np.ones((9, 9), np.uint8)) > 0
    fine = filled[..., 0] - cv2.GaussianBlur(filled[..., 0].astype(np.float32), (0, 0), 1.2)
    assert 0.6 < fine[inside].std() / fine[mask == 0].std() < 1.4


def test_a_grey_photo_stays_grey() -> None:
    photo = grain(200, 260)
    mask = np.zeros((200, 260), np.uint8)
    cv2.line(mask, (30, 30), (220, 150), 255, 5)
    assert np.ptp(filling.fill(photo, mask), axis=2).max() == 0


def test_black_without_grain_is_filled_with_black() -> None:
    black = np.zeros((80, 80, 3), np.uint8)
    mask = np.zeros((80, 80), np.uint8)
    mask[30:60, 30:60] = 255
    assert filling.fill(black, mask).max() <= 3


def test_a_picture_that_is_all_texture_is_not_painted_over(monkeypatch) -> None:
    def suspicious(image, factor=1.0, **network):
        return np.full(image.shape[:2], 0.9, np.float32)

    monkeypatch.setattr("providers.engine.embedded.looks.look", suspicious)
    mending = damage.repair(grain(120, 160))
    assert mending.percent == 0
    assert not mending.damage_left


def test_a_print_that_is_mostly_cracks_is_left_and_said_to_be_damaged(monkeypatch) -> None:
    def cracked(image, factor=1.0, **network):
        lines = np.full(image.shape[:2], 0.02, np.float32)
        lines[:, ::12] = 0.95
        lines[::12] = 0.95
        return lines

    monkeypatch.setattr("providers.engine.embedded.looks.look", cracked)
    mending = damage.repair(grain(300, 400))
    assert mending.percent == 0
    assert mending.left_percent > 25
    assert json.dumps(mending.damage_left) == "true", "the child tells it as JSON"


def toned(grey):
    share = grey[..., None].astype(np.float32) / 255
    dark, light = np.array((25, 40, 55)), np.array((180, 220, 235))
    return (dark + (light - dark) * share).astype(np.uint8)


def test_a_toned_print_keeps_its_tone_when_its_contrast_comes_back() -> None:
    y, x = np.mgrid[:200, :300]
    faded = toned((110 + 60 * np.sin(x / 30) * np.cos(y / 25)).astype(np.uint8))
    assert tone.is_mono(faded, marked=np.zeros((200, 300)))
    torn = faded.copy()
    torn[90:110] = (235, 235, 255)
    assert tone.is_mono(torn, marked=torn[..., 2] == 255)
    assert tone.fading(faded) > 0.5
    clear = tone.recover(faded, 1.0, mono=True)
    before, after = (
        cv2.cvtColor(picture, cv2.COLOR_BGR2LAB).reshape(-1, 3).astype(float)
        for picture in (faded, clear)
    )
    assert after[:, 0].std() > 1.3 * before[:, 0].std()
    assert np.abs(after[:, 1:].mean(axis=0) - before[:, 1:].mean(axis=0)).max() < 3


def test_a_white_animal_before_snow_is_neither_faded_nor_grey() -> None:
    snow = grain(200, 300, level=225, sigma=8)
    assert tone.fading(snow) == 0
    snow[60:100, 120:160] = (215, 205, 255)
    assert not tone.is_mono(snow, marked=np.zeros((200, 300)))


def test_colour_noise_goes_and_the_rose_of_a_cheek_stays() -> None:
    y, x = np.mgrid[:100, :640]
    away = np.hypot(x - 80, y - 50)
    rose = np.exp(-((away / 10) ** 2))[..., None] * np.array([-6, -22, 4])
    noise = np.random.default_rng(1).normal(0, 7, (100, 640, 3))
    noisy = np.clip(np.array([150, 175, 215]) + rose + noise, 0, 255).astype(np.uint8)

    def redness(picture):
        return cv2.cvtColor(picture, cv2.COLOR_BGR2LAB)[..., 1].astype(float)

    calm = film_grain.reduce(noisy, 7, mono=False)
    flush, kept = (
        redness(picture)[away < 5].mean() - redness(picture)[away > 40].mean()
        for picture in (noisy, calm)
    )
    assert kept > 0.85 * flush
    assert redness(calm)[away > 40].std() < 0.6 * redness(noisy)[away > 40].std()


def levels(where, level: float) -> Plane:
    return np.where(where, level, 0.02).astype(np.float32)


def test_a_fine_line_on_a_collar_is_no_mark_and_a_piece_that_looks_like_paper_is_one() -> None:
    line, piece = (
        (COLLAR > 0.5) & (plane(((190, 160), (215, 160), width)) > 0.5) for width in (3, 13)
    )
    assert not marks.of_damaged(seen(COLLAR, larger=levels(line, 0.6)), NOTHING).any()
    found = marks.of_damaged(seen(COLLAR, larger=levels(piece, 0.9)), NOTHING)
    assert found[piece].all()
    assert np.count_nonzero(found) < 0.6 * np.count_nonzero(COLLAR > 0.5)


def test_bare_paper_at_the_edge_of_a_print_need_not_be_sure_when_enlarged() -> None:
    corner = plane(((0, 0), (20, 15), 50)) > 0.5
    patch = levels(corner, 0.95)
    assert marks.of_damaged(seen(patch, larger=levels(corner, 0.42)), NOTHING)[corner].all()
    inside = np.roll(corner, (100, 100), (0, 1))
    larger = levels(inside, 0.42)
    assert not marks.of_damaged(seen(levels(inside, 0.95), larger=larger), NOTHING).any()


def test_a_short_mark_must_be_seen_at_two_sizes_and_a_long_one_at_its_own() -> None:
    short, long = (plane(((100, 100), (100 + length, 104), 2)) for length in (20, 60))
    nothing = levels(CRACK < 0, 0)
    assert not marks.of_damaged(seen(short, larger=nothing), NOTHING).any()
    assert marks.of_damaged(seen(short), NOTHING).any()
    assert marks.of_damaged(seen(long, larger=nothing), NOTHING).any()


def test_a_speck_needs_to_be_surer_than_a_line() -> None:
    speck = NOTHING.copy()
    speck[100:103, 100:104] = 1
    nothing = levels(speck < 0, 0)
    assert not marks.of_damaged(seen(levels(speck > 0, 0.78), larger=nothing), NOTHING).any()
    assert marks.of_damaged(seen(levels(speck > 0, 0.82), larger=nothing), NOTHING).any()


@pytest.mark.parametrize(("core", "mark"), [(0.2, False), (0.3, True)])
def test_a_mark_has_a_core_that_is_surer_than_its_ends(core: float, mark: bool) -> None:
    along = np.arange(400)[None, :] < 20 + core * 300
    faint = np.where(CRACK > 0.5, np.where(along, 0.62, 0.5), 0.02).astype(np.float32)
    assert marks.of_damaged(seen(faint), NOTHING).any() == mark


def test_a_scratch_of_a_sound_photo_is_long_thin_and_touches_no_eye() -> None:
    long = plane(((100, 100), (160, 104), 2))
    short, wide = plane(((100, 100), (140, 104), 2)), plane(((100, 100), (160, 104), 9))
    assert [marks.of_sound(seen(each), NOTHING).any() for each in (long, short, wide)] == [
        *(True, False, False),
    ]
    eye = NOTHING.copy()
    eye[100:103, 120:124] = marks.EYES_AND_LIPS
    assert not marks.of_sound(seen(long), eye).any()


def looking_again(monkeypatch, own: Plane) -> None:
    """Let the look at the photo after the first repair be this one."""
    monkeypatch.setattr("providers.engine.embedded.looks.look", lambda *_, **__: own.copy())


def test_a_mark_that_shows_only_when_its_neighbour_is_gone_is_one(monkeypatch) -> None:
    second = plane(((40, 200), (300, 210), 3))
    looking_again(monkeypatch, second)
    mask, _ = damage.all_marks(grain(300, 400), seen(CRACK), NOTHING)
    assert mask[(CRACK > 0.5) | (second > 0.5)].all()


def test_cloth_and_buttons_that_were_spared_stay_when_their_rims_are_nibbled(monkeypatch) -> None:
    button = NOTHING.copy()
    cv2.circle(button, (60, 230), 7, 255, -1)
    sure = np.maximum(np.maximum(CRACK, COLLAR), levels(button > 0, 0.95))
    enlarged = np.maximum(CRACK, levels(button > 0, 0.45))
    nibbled = levels(CRACK < 0, 0)
    nibbled[157:164] = COLLAR[157:164]
    nibbled[231:] = sure[231:]
    looking_again(monkeypatch, nibbled)
    mask, _ = damage.all_marks(grain(300, 400), seen(sure, enlarged), NOTHING)
    assert mask[(CRACK > 0.5)].all()
    assert not mask[(COLLAR > 0.5) | (button > 0)].any()


def test_what_makes_a_face_its_own_is_not_said_to_be_damage_that_was_left(monkeypatch) -> None:
    eye = np.where(CRACK > 0.5, marks.EYES_AND_LIPS, 0).astype(np.uint8)
    hesitant = 0.5 * CRACK
    looking_again(monkeypatch, hesitant)
    _, left = damage.all_marks(grain(300, 400), seen(hesitant), eye)
    assert left.max() < 0.1
    _, left = damage.all_marks(grain(300, 400), seen(hesitant), NOTHING)
    assert left.max() > 0.4


@pytest.mark.parametrize(("rows", "left"), [(0, False), (1, True)])
def test_a_person_notices_three_thousandths_of_the_picture(rows: int, left: bool) -> None:
    suspicion = np.zeros((300, 400), np.float32)
    suspicion[:rows] = 0.4
    suspicion[100:103] = 0.3
    picture = grain(300, 400)
    mending = damage.Mending(picture, NOTHING, suspicion, proven=True)
    assert mending.damage_left == left
    assert not damage.Mending(picture, NOTHING, suspicion, proven=False).damage_left


def left_in(photo, suspicion: Plane) -> damage.Mending:
    return damage.Mending(photo, np.zeros(photo.shape[:2], np.uint8), suspicion, proven=False)


def test_damage_that_is_left_stands_out_as_before_and_nothing_else_does() -> None:
    photo = grain(300, 400, sigma=0)
    photo[CRACK > 0.5] = 220
    lifted = left_in(photo, CRACK).standing_out(photo)
    assert np.abs(lifted[CRACK > 0.5] - 100).max() < 3
    assert np.abs(lifted[cv2.dilate(CRACK, np.ones((9, 9))) < 0.5]).max() == 0


def test_the_more_looks_damaged_the_less_of_it_is_lifted_up_to_half_of_the_picture() -> None:
    photo = grain(300, 400)
    shares = []
    for rows in (60, 112, 160):
        suspicion = np.zeros((300, 400), np.float32)
        suspicion[:rows] = 0.5
        mending = left_in(photo, suspicion)
        shares.append(round(mending.liftable, 1))
        assert (np.abs(mending.standing_out(photo)).max() > 0) == (rows < 150)
    assert shares == [1.0, 0.5, 0.0]


def test_what_is_broad_is_lifted_only_where_a_person_sees_damage() -> None:
    patch = plane(((200, 100), (220, 110), 30)) > 0.5
    photo = grain(300, 400)
    assert not left_in(photo, levels(patch, 0.3)).hinted.any()
    assert left_in(photo, levels(patch, 0.4)).hinted[patch].all()
    assert left_in(photo, 0.3 * CRACK).hinted[CRACK > 0.5].all()


@pytest.mark.parametrize("side", [512, 1400])
def test_what_makes_a_known_face_its_own_keeps_its_light(monkeypatch, samples, side: int) -> None:
    portrait = photo_file.read(samples / "portrait.jpg", long_side=512)
    faded = (75 + 0.45 * cv2.resize(portrait, (side, side))).astype(np.uint8)
    people = find_faces(faded, at_most=1)
    own = marks.features_of(people, faded.shape) > 0
    assert own.any()
    shown = cv2.resize(own.astype(np.float32), (min(side, 1000),) * 2)
    inside = cv2.erode((shown > 0.9).astype(np.float32), np.ones((3, 3)))
    looking_again(monkeypatch, 0.4 * inside)
    assert np.abs(damage.repair(faded).standing_out(faded)[own]).mean() > 1
    assert np.abs(damage.repair(faded, people).standing_out(faded)).max() == 0


def test_a_known_face_keeps_its_eyes_though_the_closer_search_misses_it(
    monkeypatch, samples
) -> None:
    portrait = photo_file.read(samples / "portrait.jpg", long_side=512)
    people = find_faces(portrait, at_most=1)
    eyes = marks.features_of(people, portrait.shape) == marks.EYES_AND_LIPS
    suspicion = np.full((512, 512), 0.02, np.float32)
    suspicion[::40] = suspicion[1::40] = 0.95
    suspicion[eyes] = 0.75
    looking_again(monkeypatch, suspicion)
    monkeypatch.setattr("providers.engine.embedded.damage.find_faces", lambda *_, **__: [])
    inside = cv2.erode(eyes.astype(np.uint8), np.ones((3, 3))) > 0
    inside &= suspicion < 0.9
    assert not damage.repair(portrait, people).mask[inside].any()
    assert damage.repair(portrait).mask[inside].any()


def test_a_button_is_no_mark_unless_it_looks_like_paper_when_enlarged() -> None:
    button = NOTHING.copy()
    cv2.circle(button, (200, 150), 7, 255, -1)
    sure = np.where(button > 0, 0.95, 0.02).astype(np.float32)
    assert not marks.of_damaged(seen(sure, larger=0.5 * sure), NOTHING).any()
    assert marks.of_damaged(seen(sure), NOTHING).any()
    as_long = plane(((190, 150), (208, 152), 3))
    assert marks.of_damaged(seen(as_long, larger=0.5 * as_long), NOTHING).any(), "it is not round"
