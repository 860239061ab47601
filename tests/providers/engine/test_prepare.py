"""What goes to another engine fits every one of them, and tells nothing but the picture."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageStat

from providers.engine import EngineError
from providers.engine.embedded import EmbeddedEngine

EXTREMES = {"100x100": (100, 100), "1500x200": (1500, 200), "120x900": (120, 900)}


def prepared(photo: Path, folder: Path) -> Image.Image:
    result = EmbeddedEngine().prepare(photo, workdir=folder)
    assert result.path.stat().st_size <= 2_000_000
    with Image.open(result.path) as image:
        image.load()
    assert (result.meta["width"], result.meta["height"]) == image.size
    return image


def keeps_the_rules(image: Image.Image) -> None:
    assert (image.format, image.mode) == ("JPEG", "RGB")
    assert not image.info.get("progressive")
    assert not {"exif", "icc_profile", "xmp", "comment", "photoshop"} & set(image.info)
    assert min(image.size) >= 360 and max(image.size) <= 2000
    assert max(image.size) <= 2.5 * min(image.size)


@pytest.mark.parametrize(
    "name",
    ["exif_rotated_gps.jpg", "cmyk.jpg", "portrait.heic", "portrait_rgba.png", "portrait.webp"]
    + ["tiny_portrait_150px.jpg"],
)
def test_every_kind_of_photo_becomes_the_same_kind(
    samples: Path, tmp_path: Path, name: str
) -> None:
    keeps_the_rules(prepared(samples / name, tmp_path))


def test_a_rotated_photo_stands_upright(samples: Path, tmp_path: Path) -> None:
    with Image.open(samples / "exif_rotated_gps.jpg") as source:
        turned = source.getexif()[0x0112] in (5, 6, 7, 8)
        wide = source.width > source.height
    image = prepared(samples / "exif_rotated_gps.jpg", tmp_path)
    assert turned and (image.width > image.height) != wide


@pytest.mark.parametrize("size", EXTREMES)
def test_extreme_sizes_are_padded_and_enlarged(tmp_path: Path, size: str) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", EXTREMES[size], (200, 40, 40)).save(photo)
    image = prepared(photo, tmp_path)
    keeps_the_rules(image)
    # The border goes on with the photo's own colours: there is no black and no white in it.
    red, green, _ = ImageStat.Stat(image).mean
    assert red > 190 and green < 50


def test_a_large_noisy_photo_is_still_sent_quickly(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    Image.effect_noise((2400, 2400), 120).convert("RGB").save(photo, quality=95)
    keeps_the_rules(prepared(photo, tmp_path))


def test_a_photo_that_is_none_is_refused_as_ever(samples: Path, tmp_path: Path) -> None:
    for name in ("bad_truncated.jpg", "bad_html_named.jpg", "bad_bomb_20000x20000.png"):
        with pytest.raises(EngineError) as refused:
            EmbeddedEngine().prepare(samples / name, workdir=tmp_path)
        assert not refused.value.retryable
