"""Strangers' files: what is accepted, what is refused with which code, what never survives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, features

import images
from providers.engine import ENGINE_CODES, EngineError
from providers.engine.embedded import photo


def refusal(path: Path) -> str:
    with pytest.raises(EngineError) as refused:
        photo.read(path, long_side=1280)
    assert not refused.value.retryable
    return refused.value.code


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def saved(path: Path, image: Image.Image, **options) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize(
    "name", ["portrait.webp", "portrait.heic", "cmyk.jpg", "exif_rotated_gps.jpg"]
)
def test_every_accepted_format_shows_the_same_upright_picture(samples, name):
    picture = photo.read(samples / name, long_side=1280)
    reference = photo.read(samples / "portrait_rgba.png", long_side=1280)
    assert picture.shape == (480, 360, 3)
    assert picture.dtype == np.uint8
    small = np.asarray(Image.fromarray(picture).resize((270, 360)))
    assert np.abs(small.astype(int) - reference).mean() < 6


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("bad_bomb_20000x20000.png", "image_too_large"),
        ("bad_html_named.jpg", "not_an_image"),
        ("bad_truncated.jpg", "image_truncated"),
    ],
)
def test_a_bad_sample_is_refused_with_its_code(samples, name, code):
    assert refusal(samples / name) == code


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "not_an_image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not_an_image"),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + bytes(200), "not_an_image"),
        (b"%PDF-1.7 ...", "not_an_image"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00<?php system($_GET['c']); ?>", "not_an_image"),
        (b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1" + bytes(99), "not_an_image"),
        (b"\x00\x00\x00\x1cftypheic\x00\x00\x00\x00heicmif1" + bytes(99), "not_an_image"),
    ],
)
def test_what_only_pretends_to_be_a_photo_is_refused(tmp_path, content, code):
    assert refusal(written(tmp_path / "photo.jpg", content)) == code


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "BMP"])
def test_other_picture_formats_are_refused_by_name(tmp_path, kind):
    path = saved(tmp_path / "photo.jpg", Image.new("RGB", (100, 100)), format=kind)
    assert refusal(path) == "image_format_unsupported"


@pytest.mark.parametrize(
    ("size", "code"),
    [
        ((63, 200), "image_too_small"),
        ((100, 801), "image_too_narrow"),
        ((20_001, 2_500), "image_too_large"),
        ((7_100, 7_100), "image_too_large"),
    ],
)
def test_sizes_out_of_bounds_are_refused(tmp_path, size, code):
    assert refusal(saved(tmp_path / "photo.png", Image.new("1", size))) == code


def test_a_file_over_20_megabytes_is_refused_unread(tmp_path):
    path = tmp_path / "photo.jpg"
    with path.open("wb") as file:
        file.truncate(images.MAX_FILE_BYTES + 1)
    assert refusal(path) == "file_too_large"


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_panorama_within_the_pixels_is_shrunk_however_long_it_is(tmp_path, kind):
    wide = saved(tmp_path / "wide", Image.new("L", (12_500, 2_600), 99), format=kind)
    assert photo.read(wide, long_side=1280).shape == (266, 1280, 3)


def test_a_long_jpeg_is_decoded_at_the_size_that_is_needed(tmp_path):
    wide = saved(tmp_path / "wide.jpg", Image.new("RGB", (20_000, 2_500), "red"))
    measured = """
import re, sys
from pathlib import Path
from providers.engine.embedded import photo

def peak():
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\\s*(\\d+)", status)[1]) // 1024

before = peak()
photo.read(Path(sys.argv[1]), long_side=2560)
print(peak() - before)
"""
    grown = subprocess.run(
        [sys.executable, "-c", measured, wide], capture_output=True, check=True, timeout=60
    )
    assert int(grown.stdout) < 80, "MiB; whole it takes 150"


def test_a_large_photo_is_shrunk_and_a_small_one_is_not_enlarged(tmp_path):
    large = saved(tmp_path / "large.jpg", Image.new("RGB", (3000, 2000), "red"))
    assert photo.read(large, long_side=900).shape == (600, 900, 3)
    small = saved(tmp_path / "small.jpg", Image.new("RGB", (300, 200), "red"))
    assert photo.read(small, long_side=900).shape == (200, 300, 3)


def test_transparent_parts_become_white(tmp_path):
    for mode in ("RGBA", "LA"):
        clear = Image.new(mode, (100, 100), 0)
        picture = photo.read(saved(tmp_path / f"{mode}.png", clear), long_side=900)
        assert picture.min() == 255
    indexed = Image.new("P", (100, 100), 0)
    indexed.putpalette([9, 9, 9])
    path = saved(tmp_path / "P.png", indexed, transparency=0)
    assert photo.read(path, long_side=900).min() == 255


def test_the_colour_that_stands_for_transparent_leaves_no_fringe(tmp_path):
    stripes = np.zeros((400, 3000, 3), np.uint8)
    stripes[:, (np.arange(3000) // 7) % 2 == 0] = (255, 0, 0)
    path = saved(tmp_path / "keyed.png", Image.fromarray(stripes), transparency=(255, 0, 0))
    picture = photo.read(path, long_side=900).astype(int)
    assert np.ptp(picture, axis=2).max() == 0, "white and black make grey"
    assert picture.mean() > 90


def test_a_16_bit_scan_keeps_its_tones(tmp_path):
    ramp = np.linspace(0, 65535, 128 * 128).reshape(128, 128).astype(np.uint16)
    picture = photo.read(saved(tmp_path / "scan.png", Image.fromarray(ramp)), long_side=900)
    assert abs(picture.mean() - 127.5) < 1


def test_the_first_picture_of_a_multi_picture_jpeg_is_taken(tmp_path):
    red, blue = (Image.new("RGB", (100, 100), colour) for colour in ("red", "blue"))
    path = saved(tmp_path / "phone.jpg", red, format="MPO", save_all=True, append_images=[blue])
    assert photo.read(path, long_side=900)[50, 50, 2] > 240


def test_the_colour_profile_is_obeyed(tmp_path):
    """A profile that calls red blue must turn a red picture blue."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    path = saved(
        tmp_path / "swapped.png", Image.new("RGB", (100, 100), "red"), icc_profile=bytes(profile)
    )
    blue_level, _, red_level = photo.read(path, long_side=900)[50, 50]
    assert blue_level > 200 > 60 > red_level


def test_a_broken_colour_profile_is_ignored(tmp_path):
    path = saved(
        tmp_path / "broken.png", Image.new("RGB", (100, 100), "red"), icc_profile=b"nonsense" * 9
    )
    assert tuple(photo.read(path, long_side=900)[50, 50]) == (0, 0, 255)


def test_what_is_refused_at_the_door_is_refused_in_the_same_words():
    for code, text in images.REFUSALS.items():
        assert ENGINE_CODES[code] == (text, False)


def test_this_machine_decodes_every_accepted_format():
    Image.init()
    assert set(images.FORMATS.values()) <= set(Image.OPEN)
    assert all(features.check(name) for name in ("jpg", "zlib", "webp", "avif"))


def test_a_refusal_speaks_russian_to_the_customer():
    error = EngineError("image_truncated", "zlib: -3")
    assert "ё" in error.message and "zlib" not in error.message
    assert "zlib" in str(error), "the log gets the cause"
