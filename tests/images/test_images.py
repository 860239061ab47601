"""Headers of picture files: what they say, and what is certain from them alone."""

from __future__ import annotations

import io
import struct
import time
import zlib

import pytest
from PIL import Image

import images
from images import HEAD_BYTES, Header, ImageRefused
from tests import cards, corpus
from tests.cards import SIZE, branded, card, chunk, jpeg_with, png_with, saved

KINDS = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
}
FILLER = [(0xE4, b"x" * 65_000)] * 20  # 1.3 MB of segments that nobody knows


def inspect(content: bytes, seen: int | None = None) -> Header:
    """What the door says about a file of which it has the first `seen` bytes."""
    return images.inspect(io.BytesIO(content[:seen]), size=len(content))


def refusal(content: bytes, seen: int | None = None) -> str:
    with pytest.raises(ImageRefused) as refused:
        inspect(content, seen)
    assert refused.value.code in images.REFUSALS
    assert refused.value.reason
    return refused.value.code


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
def test_a_header_says_type_and_size(kind: str, mode: str) -> None:
    if kind == "JPEG" and mode in ("RGBA", "P"):
        mode = "CMYK"
    for options in ({}, {"lossless": True}, {"progressive": True}):
        content = saved(kind, card().convert(mode), **options)
        assert inspect(content) == Header(KINDS[kind], SIZE)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF"])
def test_an_animation_is_a_picture(kind: str) -> None:
    content = saved(kind, save_all=True, append_images=[card(2)], duration=50)
    assert inspect(content) == Header(KINDS[kind], SIZE)


def test_two_pictures_in_a_jpeg_are_one_photo() -> None:
    content = saved("MPO", save_all=True, append_images=[card(2)])
    assert inspect(content) == Header("image/jpeg", SIZE)


def test_a_preview_inside_the_metadata_is_not_the_picture() -> None:
    preview = saved("JPEG", card(size=(64, 65)))
    content = jpeg_with(saved("JPEG"), (0xE1, b"Exif\0\0" + preview))
    assert inspect(content) == Header("image/jpeg", SIZE)


@pytest.mark.parametrize("brand", [*images.BRANDS, *images.GENERAL_BRANDS])
def test_every_brand_of_heif_and_avif_is_known(brand: bytes) -> None:
    avif = images.BRANDS.get(brand) == "image/avif"
    content = saved("AVIF") if avif else cards.TEN_BIT_HEIC
    size = SIZE if avif else (240, 320)
    expected = (images.BRANDS | images.GENERAL_BRANDS)[brand]
    assert inspect(branded(content, brand, brand)) == Header(expected, size)
    # The major brand may be any, if a compatible one is known.
    assert inspect(branded(content, b"miaf", b"zqzq", brand)) == Header(expected, size)


def test_what_the_general_brands_hold_is_told_by_the_others() -> None:
    assert inspect(branded(saved("AVIF"), b"mif1", b"mif1", b"avif")).content_type == "image/avif"
    heic = branded(cards.TEN_BIT_HEIC, b"mif1", b"mif1", b"heix")
    assert inspect(heic).content_type == "image/heic"


def test_a_video_is_no_photo_whatever_it_is_related_to() -> None:
    for brand in (b"isom", b"mp42", b"qt  ", b"M4V "):
        content = branded(cards.TEN_BIT_HEIC, brand, b"isom", b"avc1", b"mp41")
        assert refusal(content) == "not_an_image"


@pytest.mark.parametrize(
    ("size", "code"),
    [
        ((64, 512), None),
        ((63, 200), "image_too_small"),
        ((64, 513), "image_too_narrow"),
        ((12_500, 2_600), None),
        ((20_000, 2_500), None),
        ((20_001, 2_500), "image_too_large"),
        ((7_072, 7_072), "image_too_large"),
        ((2**31 - 1, 2**31 - 1), "image_too_large"),
        ((2**32 - 1, 1), "image_too_large"),
        ((0, 100), "not_an_image"),
        ((0, 0), "not_an_image"),
    ],
)
def test_only_sizes_within_the_limits_are_accepted(size: tuple[int, int], code: str | None) -> None:
    for width, height in (size, size[::-1]):
        content = corpus.png(width, height)
        if code is None:
            assert inspect(content) == Header("image/png", (width, height))
        else:
            assert refusal(content) == code


def test_each_format_is_held_to_the_limits() -> None:
    for kind in KINDS:
        assert refusal(saved(kind, card(size=(60, 80)))) == "image_too_small"
    large = bytearray(saved("JPEG"))
    frame = large.index(b"\xff\xc0")
    large[frame + 5 : frame + 9] = struct.pack(">HH", 65_000, 65_000)
    assert refusal(bytes(large)) == "image_too_large"
    extended = b"VP8X" + struct.pack("<I", 10) + b"\0" * 4 + b"\xff\x3f\0" * 2
    assert refusal(b"RIFF\0\0\0\0WEBP" + extended) == "image_too_large"
    tall = cards.TEN_BIT_HEIC.replace(struct.pack(">II", 240, 320), struct.pack(">II", 9999, 9999))
    assert refusal(tall) == "image_too_large"


@pytest.mark.parametrize("content", [saved("JPEG"), saved("PNG"), saved("WEBP"), saved("AVIF")])
def test_what_ends_within_its_header_is_no_photo(content: bytes) -> None:
    for end in (0, 1, 3, 12, 16, 20, 24):
        assert refusal(content[:end]) == "not_an_image"
    assert refusal(cards.TEN_BIT_HEIC[:300]) == "not_an_image"


def test_what_ends_within_its_pixels_is_cut_off_where_the_container_tells() -> None:
    noise = Image.effect_noise(SIZE, 90)
    for content in (saved("PNG", noise), saved("WEBP", noise), saved("AVIF"), cards.TEN_BIT_HEIC):
        assert refusal(content[:-21]) == "image_truncated"
        assert refusal(content[: len(content) * 3 // 4]) == "image_truncated"
    frame = saved("JPEG").index(b"\xff\xda")
    assert refusal(saved("JPEG")[: frame + 3]) == "image_truncated"


def test_what_lacks_only_what_follows_the_pixels_is_whole() -> None:
    photo = saved("PNG")
    for end in (4, 12, 16, 20):  # checksum, IEND, checksum and the end of the pixels' own one
        assert inspect(photo[:-end]) == Header("image/png", SIZE)
    assert inspect(saved("JPEG")[:-2]) == Header("image/jpeg", SIZE)


def test_what_follows_the_picture_does_not_matter() -> None:
    for content in (*map(saved, KINDS), cards.TEN_BIT_HEIC):
        for more in (b"\0" * 9, b"\0\0\0\3free", b"<!doctype html>", b"\xff" * 50):
            assert inspect(content + more) == inspect(content)


def test_bytes_that_are_not_at_hand_are_not_judged() -> None:
    deep = jpeg_with(saved("JPEG"), *FILLER)
    assert inspect(deep) == Header("image/jpeg", SIZE)
    assert inspect(deep, HEAD_BYTES) == Header("image/jpeg", None)
    many = b"".join(chunk(b"zqAa", b"x" * 60_000) for _ in range(9))
    late = png_with(saved("PNG"), many)
    assert inspect(late, HEAD_BYTES) == Header("image/png", SIZE)
    assert inspect(late[:-50], HEAD_BYTES) == Header("image/png", SIZE)
    assert refusal(late[:-50]) == "image_truncated"
    assert inspect(saved("AVIF") + b"\0" * HEAD_BYTES, HEAD_BYTES) == Header("image/avif", SIZE)
    assert inspect(cards.TEN_BIT_HEIC, 200) == Header("image/heic", None)


def test_a_checksum_of_the_header_is_checked_as_decoders_do() -> None:
    photo = bytearray(saved("PNG"))
    photo[29] ^= 1
    assert refusal(bytes(photo)) == "not_an_image"


def test_other_pictures_are_told_from_what_is_none() -> None:
    for kind in ("GIF", "TIFF", "BMP"):
        assert refusal(saved(kind)) == "image_format_unsupported"
    for content in (b"", b"\xff", b"<svg/>", b"%PDF-1.7", corpus.archive(), corpus.HTML):
        assert refusal(content) == "not_an_image"


def test_no_more_than_20_mib_are_accepted_whatever_they_are() -> None:
    content = saved("JPEG")
    with pytest.raises(ImageRefused) as refused:
        images.inspect(io.BytesIO(content), size=images.MAX_FILE_BYTES + 1)
    assert refused.value.code == "file_too_large"


@pytest.mark.parametrize(
    "content",
    [
        png_with(saved("PNG"), chunk(b"zqAa", b"") * 1_700_000),
        b"\xff\xd8" + b"\xff\xe4\x00\x02" * 5_000_000,
        b"\xff\xd8\xff" + b"\xff" * 20_000_000,
        b"\xff\xd8\xff" + b"\x00\xff" * 10_000_000,
        cards.TEN_BIT_HEIC[:28] + b"\0\0\0\x08free" * 2_500_000,
        saved("WEBP", exif=b"x" * 90, save_all=True)[:30] + b"zqAa\0\0\0\0" * 2_500_000,
    ],
    ids=["chunks", "segments", "fill bytes", "junk", "boxes", "RIFF chunks"],
)
def test_no_file_takes_long(content: bytes) -> None:
    started = time.process_time()
    try:
        inspect(content)
    except ImageRefused as refused:
        assert refused.code in images.REFUSALS
    assert time.process_time() - started < 0.5


def test_a_profile_that_unpacks_to_much_is_not_unpacked_here() -> None:
    bomb = png_with(saved("PNG"), chunk(b"iCCP", b"a\0\0" + zlib.compress(b"a" * 10**8, 9)))
    started = time.process_time()
    assert inspect(bomb) == Header("image/png", SIZE)
    assert time.process_time() - started < 0.05


def test_the_texts_name_the_limits_that_are_checked() -> None:
    for code, limit in {
        "file_too_large": "20 МБ",
        "image_too_large": "50 мегапикселей",
        "image_too_small": "64 пикселей",
        "image_too_narrow": "в 8 раз",
    }.items():
        assert limit in images.REFUSALS[code]
        assert images.REFUSALS[code].count("МБ") + images.REFUSALS[code].count("мега") <= 1
