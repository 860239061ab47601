"""Odd but good photos: metadata, brands and missing ends decide nothing about the pixels."""

from __future__ import annotations

import io
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

import images
from providers.engine import EngineError
from providers.engine.embedded import photo
from tests import cards
from tests.cards import (
    SIDES,
    branded,
    card,
    chunk,
    in_mode,
    is_upright,
    jpeg_with,
    packed_profile,
    png_chunks,
    png_with,
    saved,
    sides,
    srgb,
)

MIB = 1024 * 1024
END_OF_JPEG = b"\xff\xd9"


@pytest.fixture
def read(tmp_path: Path):
    """read(content): the pixels of a file, BGR."""

    def read_bytes(content: bytes) -> np.ndarray:
        path = tmp_path / "photo"
        path.write_bytes(content)
        return photo.read(path, long_side=900)

    return read_bytes


@pytest.fixture
def refusal(read):
    """refusal(content): the code with which a file is refused."""

    def code(content: bytes) -> str:
        with pytest.raises(EngineError) as refused:
            read(content)
        assert not refused.value.retryable
        return refused.value.code

    return code


def ancillary(name: bytes, content: bytes) -> dict[str, bytes]:
    """A chunk that is right, and one with a wrong checksum."""
    label = name.decode()
    return {
        label: chunk(name, content),
        f"{label}, wrong checksum": chunk(name, content, checksum=1),
    }


PNG_METADATA = {
    **ancillary(b"iCCP", packed_profile(3 * MIB // 2)),
    "profile of 100 MB": chunk(b"iCCP", b"a\0\0" + zlib.compress(b"a" * 10**8, 9)),
    "profile that is none": chunk(b"iCCP", b"a\0\0nonsense"),
    "profile packed in an unknown way": chunk(b"iCCP", b"a\0\7nonsense"),
    "profile without a name": chunk(b"iCCP", b"nonsense"),
    "profile cut short": chunk(b"iCCP", packed_profile(9999)[:-50]),
    "empty profile": chunk(b"iCCP", b""),
    **ancillary(b"zTXt", b"a\0\0" + zlib.compress(b"a" * 2 * MIB, 9)),
    **ancillary(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(b"a" * 2 * MIB, 9)),
    "text of 100 MB": chunk(b"zTXt", b"a\0\0" + zlib.compress(b"a" * 10**8, 9)),
    "70 MB of texts": chunk(b"zTXt", b"a\0\0" + zlib.compress(b"a" * MIB, 9)) * 70,
    "text packed in an unknown way": chunk(b"zTXt", b"a\0\7nonsense"),
    "text that is none": chunk(b"iTXt", b"\xff\xff\xff\xff"),
    **{
        f"{name!r} of {size} bytes": chunk(name, b"\1" * size)
        for name in (
            b"tRNS",
            b"gAMA",
            b"cHRM",
            b"sRGB",
            b"pHYs",
            b"acTL",
            b"fcTL",
            b"bKGD",
            b"eXIf",
        )
        for size in (0, 1, 3, 300)
    },
    **ancillary(b"tIME", b"what"),
    "unknown chunk with an odd name": chunk(b"zq\xff\0", b"what"),
    "frame outside of the picture": chunk(
        b"fcTL", struct.pack(">7IHHBB", 0, 9999, 9999, 0, 0, 1, 1, 1, 1, 0, 0)[:26]
    ),
    "a second header": chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 2, 0, 0, 0)),
}


@pytest.mark.parametrize("name", PNG_METADATA)
def test_no_chunk_but_those_of_the_pixels_decides_about_a_png(read, name: str) -> None:
    assert is_upright(read(png_with(saved("PNG"), PNG_METADATA[name])))
    # Behind the pixels, where Pillow reads it after decoding them.
    assert is_upright(read(saved("PNG")[:-12] + PNG_METADATA[name] + saved("PNG")[-12:]))


def test_a_large_profile_is_still_obeyed(read) -> None:
    """One that calls red blue must turn a red picture blue."""
    profile = bytearray(srgb())
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    plain = Image.new("RGB", (100, 100), "red")
    packed = b"a\0\0" + zlib.compress(bytes(profile).ljust(3 * MIB, b"\0"))
    numbered = [bytes(profile)[:300], bytes(profile)[300:]]
    in_two = [
        (0xE2, b"ICC_PROFILE\0" + bytes([number, 2]) + part)
        for number, part in enumerate(numbered, start=1)
    ]
    for content in (
        png_with(saved("PNG", plain), chunk(b"iCCP", packed)),
        jpeg_with(saved("JPEG", plain), *in_two),
        jpeg_with(saved("JPEG", plain), *reversed(in_two)),
        saved("WEBP", plain, icc_profile=bytes(profile), lossless=True),
        saved("AVIF", plain, icc_profile=bytes(profile)),
    ):
        blue_level, _, red_level = read(content)[50, 50]
        assert blue_level > 200 > 60 > red_level
    for incomplete in (in_two[:1], in_two[1:], [in_two[0], in_two[0]]):
        blue_level, _, red_level = read(jpeg_with(saved("JPEG", plain), *incomplete))[50, 50]
        assert red_level > 200 > 60 > blue_level


def test_pixels_in_chunks_that_something_separates_are_put_together(read) -> None:
    parts = dict(png_chunks(saved("PNG", Image.effect_noise((96, 128), 60).convert("RGB"))))
    pixels, whole = parts[b"IDAT"], saved("PNG", card())
    card_pixels = dict(png_chunks(whole))[b"IDAT"]
    split = (
        chunk(b"IDAT", card_pixels[:40])
        + chunk(b"tEXt", b"a\0b")
        + chunk(b"IDAT", card_pixels[40:])
    )
    assert is_upright(read(whole[:33] + split + whole[-12:]))
    assert len(pixels) > 1000


@pytest.mark.parametrize("end", [1, 4, 8, 12, 16, 20])
def test_a_png_that_lacks_what_follows_its_pixels_is_a_picture(read, end: int) -> None:
    assert is_upright(read(saved("PNG")[:-end]))


@pytest.mark.parametrize("mode", ["P", "L", "1", "LA", "RGBA", "I;16"])
def test_transparency_of_a_wrong_length_is_ignored(read, mode: str) -> None:
    content = saved("PNG", in_mode(card(), mode))
    for size in (0, 1, 2, 5, 6, 257):
        palette = content.find(b"PLTE")
        place = 33 if palette < 0 else palette + 8 + int.from_bytes(content[palette - 4 : palette])
        transparency = chunk(b"tRNS", b"\xff" * size)
        odd = content[:place] + transparency + content[place:]
        assert is_upright(read(odd), mode="L" if mode == "I;16" else mode)


JPEG_METADATA = {
    "JFIF without content": (0xE0, b"JFIF\0"),
    "JFIF cut short": (0xE0, b"JFIF\0\1"),
    "Adobe cut short": (0xEE, b"Adobe"),
    "profile without a number": (0xE2, b"ICC_PROFILE\0"),
    "profile of no parts": (0xE2, b"ICC_PROFILE\0\0\0"),
    "profile that is none": (0xE2, b"ICC_PROFILE\0\1\1nonsense"),
    "pictures that are none": (0xE2, b"MPF\0nonsense"),
    "more pictures than there are": (
        0xE2,
        b"MPF\0MM\0*\0\0\0\x08\0\3"
        + struct.pack(">HHLL", 0xB000, 7, 4, int.from_bytes(b"0100"))
        + struct.pack(">HHLL", 0xB001, 4, 1, 9)
        + struct.pack(">HHLL", 0xB002, 7, 32, 50)
        + b"\0\0\0\0"
        + bytes(32),
    ),
    "Photoshop's notes cut short": (0xED, b"Photoshop 3.0\x008BIM\3"),
    "flash pictures": (0xE2, b"FPXR\0\xff\xff"),
    "empty comment": (0xFE, b""),
    "EXIF that is none": (0xE1, b"Exif\0\0nonsense"),
    "EXIF that ends at once": (0xE1, b"Exif\0"),
    **{f"APP{n} of nobody's": (0xE0 + n, b"\xff\xd8\xff\xd9\xff\xda") for n in range(16)},
}


@pytest.mark.parametrize("name", JPEG_METADATA)
def test_no_segment_but_those_of_the_pixels_decides_about_a_jpeg(read, name: str) -> None:
    assert is_upright(read(jpeg_with(saved("JPEG"), JPEG_METADATA[name])))


def test_colours_of_a_jpeg_stay_what_its_metadata_say(read) -> None:
    for content in (
        saved("JPEG", keep_rgb=True),  # no JFIF; Adobe says RGB
        saved("JPEG", card().convert("CMYK")),  # Adobe says inverted
        saved("JPEG", subsampling=0),
    ):
        assert is_upright(read(content))


def test_junk_between_segments_is_skipped(read) -> None:
    content = saved("JPEG")
    for junk in (b"\0" * 9, b"\xff" * 9, b"\xff\0\xff\0"):
        assert is_upright(read(content[:2] + b"\xff\xe4\0\x04ab" + junk + content[2:]))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("end", [b"", b"\xff", b"\0\0\0\0", b"\xff\0\xff"])
def test_a_jpeg_may_lack_its_end_marker(read, progressive: bool, end: bytes) -> None:
    content = saved("JPEG", progressive=progressive, quality=90)
    assert content.endswith(END_OF_JPEG)
    assert is_upright(read(content.removesuffix(END_OF_JPEG) + end))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_a_jpeg_that_lacks_more_is_refused(refusal, options: dict[str, object]) -> None:
    content = saved("JPEG", Image.effect_noise((200, 260), 90).convert("RGB"), **options)
    for share in (0.4, 0.6, 0.8, 0.95, 0.99):
        cut = content[: int(len(content) * share)]
        assert refusal(cut) == "image_truncated"
        assert refusal(cut + END_OF_JPEG[:1]) == "image_truncated"


def test_a_jpeg_that_ends_at_a_restart_is_refused(refusal) -> None:
    noise = Image.effect_noise((200, 260), 90).convert("RGB")
    content = saved("JPEG", noise, restart_marker_rows=1)
    restarts = [found.start() for found in re.finditer(rb"\xff[\xd0-\xd7]", content)]
    assert len(restarts) > 10
    for place in restarts:
        assert refusal(content[:place]) == "image_truncated"
        assert refusal(content[: place + 2]) == "image_truncated"


def test_the_first_picture_of_an_animation_is_taken(read) -> None:
    for kind in ("PNG", "WEBP", "AVIF"):
        content = saved(kind, save_all=True, append_images=[card(3), card(2)], duration=50)
        assert is_upright(read(content))


def test_a_webp_is_read_whatever_follows_its_picture(read, refusal) -> None:
    content = saved("WEBP", exif=b"Exif\0\0" + b"x" * 99, xmp=b"y" * 99, icc_profile=srgb())
    assert is_upright(read(content))
    wrong_size = content[:4] + struct.pack("<I", len(content) + 999) + content[8:]
    for odd in (wrong_size, content[:-1], content[:-150], content + b"zq"):
        assert is_upright(read(odd))
    assert refusal(content[: content.index(b"VP8 ") + 60]) == "image_truncated"


def test_the_memory_of_a_large_webp_is_not_even_asked_for(refusal) -> None:
    extended = b"VP8X" + struct.pack("<I", 10) + b"\2\0\0\0" + b"\xff\x3f\0" * 2
    assert refusal(b"RIFF\0\0\0\0WEBP" + extended) == "image_too_large"


@pytest.mark.parametrize("brand", [b for b in images.BRANDS if b[:2] == b"he"] + [b"mif1", b"msf1"])
def test_heif_is_read_by_whatever_brand_it_is_known(read, brand: bytes) -> None:
    heic = cards.TEN_BIT_HEIC
    for brands in ((brand,), (b"mif1", brand, b"miaf"), (b"zqzq", brand)):
        assert sides(read(branded(heic, brand, *brands))) == SIDES
    assert sides(read(branded(heic, b"miaf", brand))) == SIDES


def test_avif_is_read_by_whatever_brand_it_is_known(read) -> None:
    avif = saved("AVIF", quality=90)
    for major in (b"avif", b"mif1", b"miaf", b"msf1"):
        assert is_upright(read(branded(avif, major, b"avif", b"mif1")))


def test_a_heif_that_its_decoder_gives_up_on_is_refused(refusal) -> None:
    """libheif raises another type for each fault, RuntimeError among them."""
    heic, codes = cards.TEN_BIT_HEIC, set()
    for place in range(28, len(heic), 7):
        broken = bytearray(heic)
        broken[place : place + 4] = b"\xff\xff\xff\xff"
        try:
            Image.open(io.BytesIO(broken), formats=["HEIF"]).load()
        except Exception:
            codes.add(refusal(bytes(broken)))
    assert codes <= images.REFUSALS.keys() and len(codes) > 2


def test_words_in_a_png_reach_nobody(read) -> None:
    words = PngImagePlugin.PngInfo()
    words.add_text("a", "b" * 5 * MIB, zip=True)
    assert is_upright(read(saved("PNG", pnginfo=words)))
