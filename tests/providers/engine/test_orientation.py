"""A photo comes out upright if its orientation can be read, whatever else its metadata say."""

from __future__ import annotations

import itertools
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from providers.engine.embedded import photo
from providers.engine.embedded.orientation import UPRIGHT, orientation
from tests.cards import (
    ORIENTATION,
    STORED,
    card,
    chunk,
    exif,
    in_mode,
    is_upright,
    jpeg_with,
    png_with,
    saved,
    tag,
    turned,
)

EXIF_SEGMENT = 0xE1
WHOLE = {1: "B", 3: "H", 4: "L", 6: "b", 8: "h", 9: "l"}  # types of EXIF
ASCII, SHORT, LONG, RATIONAL, DOUBLE = 2, 3, 4, 5, 12
MAKE, SOFTWARE, X_RESOLUTION, RESOLUTION_UNIT, DATE_TIME = 0x010F, 0x0131, 0x011A, 0x0128, 0x0132
EXIF_DIRECTORY, GPS_DIRECTORY, MAKER_NOTE, PREVIEW = 0x8769, 0x8825, 0x927C, 0x0201

# What cameras, scanners and editors write, and what no library can write back.
ODD = {
    "a resolution as text": tag(X_RESOLUTION, ASCII, 7, b"300 dpi"),
    "a unit as text": tag(RESOLUTION_UNIT, ASCII, 5, b"inch\0"),
    "a program as a number": tag(SOFTWARE, SHORT, 1, b"\7\0"),
    "a program as a fraction": tag(SOFTWARE, RATIONAL, 1, struct.pack("<LL", 7, 2)),
    "a fraction by zero": tag(X_RESOLUTION, RATIONAL, 1, struct.pack("<LL", 7, 0)),
    "a date as a number": tag(DATE_TIME, DOUBLE, 1, struct.pack("<d", 4.5)),
    "a maker of no known type": tag(MAKE, 99, 4, b"what"),
    "a maker of type 0": tag(MAKE, 0, 4, b"what"),
    "no maker at all": tag(MAKE, ASCII, 0, b""),
    "a text without an end": tag(MAKE, ASCII, 2**32 - 1, b"what"),
    "a directory far away": tag(EXIF_DIRECTORY, LONG, 1, b"\xff\xff\xff\x7f"),
    "a directory that is itself": tag(EXIF_DIRECTORY, LONG, 1, struct.pack("<L", 8)),
    "a directory as text": tag(EXIF_DIRECTORY, ASCII, 4, b"here"),
    "a place as a number": tag(GPS_DIRECTORY, DOUBLE, 1, struct.pack("<d", 59.9)),
    "a note of nobody's": tag(MAKER_NOTE, 7, 9, b"\xffnonsense"),
    "a preview far away": tag(PREVIEW, LONG, 1, b"\xff\xff\xff\x7f"),
}


@pytest.fixture
def upright(tmp_path: Path):
    """upright(content): whether the engine reads this file as the upright card."""

    def read(content: bytes, *, mode: str = "RGB") -> bool:
        path = tmp_path / "photo"
        path.write_bytes(content)
        return is_upright(photo.read(path, long_side=900), mode=mode)

    return read


def with_exif(kind: str, stored: Image.Image, block: bytes) -> bytes:
    """A file of this kind with this EXIF block, which no library has looked at."""
    if kind == "JPEG":
        return jpeg_with(saved(kind, stored), (EXIF_SEGMENT, b"Exif\0\0" + block))
    if kind == "PNG":
        return png_with(saved(kind, stored), chunk(b"eXIf", block))
    return saved(kind, stored, exif=block)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("name", ODD)
def test_each_orientation_is_obeyed_beside_any_odd_tag(upright, kind: str, name: str) -> None:
    odd = ODD[name]
    for way in STORED:
        for entries in ([odd, turned(way)], [turned(way), odd]):
            assert upright(with_exif(kind, card(way), exif(*entries))), (way, entries)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_each_orientation_is_obeyed_in_both_byte_orders(upright, kind: str, order: str) -> None:
    for way in STORED:
        block = exif(turned(way, order), order=order)
        assert upright(with_exif(kind, card(way), block)), way


@pytest.mark.parametrize("mode", ["I;16", "L", "LA", "P", "1", "RGBA"])
def test_no_conversion_loses_the_orientation(upright, mode: str) -> None:
    for way in STORED:
        content = with_exif("PNG", in_mode(card(way), mode), exif(turned(way)))
        assert upright(content, mode="L" if mode == "I;16" else mode), way


def test_four_colours_of_a_print_are_turned_too(upright) -> None:
    for way in STORED:
        stored = card(way).convert("CMYK")
        assert upright(with_exif("JPEG", stored, exif(turned(way)))), way


def test_a_large_photo_is_turned_after_it_was_shrunk(tmp_path: Path) -> None:
    stored = card(6, size=(1500, 2000))
    path = tmp_path / "photo"
    path.write_bytes(with_exif("JPEG", stored, exif(turned(6))))
    picture = photo.read(path, long_side=200)
    assert picture.shape == (200, 150, 3)
    assert is_upright(picture)


@pytest.mark.parametrize("way", STORED)
def test_an_avif_is_turned_by_its_own_properties(upright, way: int) -> None:
    written = Image.Exif()
    written[ORIENTATION], written[SOFTWARE] = way, "program"
    content = saved("AVIF", card(way), exif=written, quality=90)
    assert upright(content)
    # Pillow cannot write into this block what it finds in the properties.
    text, fraction = (SOFTWARE, ASCII, 8), (SOFTWARE, RATIONAL, 1)
    plain, odd = (struct.pack(">HHL", *entry) for entry in (text, fraction))
    assert plain in content
    assert upright(content.replace(plain, odd))


def test_xmp_alone_does_not_turn_a_photo(upright) -> None:
    """Browsers ignore it too; editors that write it have often turned the pixels already."""
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    segment = b"http://ns.adobe.com/xap/1.0/\0" + xmp
    assert upright(jpeg_with(saved("JPEG"), (EXIF_SEGMENT, segment)))
    words = PngImagePlugin.PngInfo()
    words.add_itxt("XML:com.adobe.xmp", xmp.decode())
    assert upright(saved("PNG", pnginfo=words))
    assert upright(saved("WEBP", xmp=xmp))
    assert upright(saved("AVIF", xmp=xmp, quality=90))


def test_exif_written_as_text_counts(upright) -> None:
    """As ImageMagick did before PNG had a chunk for it."""
    block = b"Exif\0\0" + exif(turned(6))
    text = f"\nexif\n{len(block):8}\n{block.hex()}\n"
    for keyword in ("Raw profile type exif", "Raw profile type APP1"):
        for packed in (False, True):
            words = PngImagePlugin.PngInfo()
            words.add_text(keyword, text, zip=packed)
            assert upright(saved("PNG", card(6), pnginfo=words))
    for broken in ("", "\n\n\n", "\nexif\n 3\nzz\n", "\nexif\n 3\nabc\n"):
        words = PngImagePlugin.PngInfo()
        words.add_text(keyword, broken)
        assert upright(saved("PNG", pnginfo=words))


def test_the_first_block_that_tells_the_orientation_counts(upright) -> None:
    blocks = [b"Exif\0\0" + exif(ODD["a unit as text"]), b"Exif\0\0" + exif(turned(6))]
    content = jpeg_with(saved("JPEG", card(6)), *((EXIF_SEGMENT, block) for block in blocks))
    assert upright(content)


@pytest.mark.parametrize("kind", WHOLE)
def test_any_whole_number_is_an_orientation(kind: int) -> None:
    for order, way in itertools.product("<>", STORED):
        value = struct.pack(f"{order}{WHOLE[kind]}", way)
        assert orientation([exif(tag(ORIENTATION, kind, 1, value), order=order)]) == way
        # More values than one, of which the first counts, wherever they are.
        assert orientation([exif(tag(ORIENTATION, kind, 9, value * 9), order=order)]) == way


def test_what_is_no_orientation_leaves_the_photo_as_it_is() -> None:
    for value in (0, 9, 90, 65535):
        assert orientation([exif(tag(ORIENTATION, SHORT, 1, struct.pack("<H", value)))]) == UPRIGHT
    for odd in (tag(ORIENTATION, ASCII, 2, b"6\0"), tag(ORIENTATION, SHORT, 0, b"\6")):
        assert orientation([exif(odd)]) == UPRIGHT
    for block in (b"", b"II", b"Exif\0\0", b"II*\0\xff\xff\xff\xff", b"nonsense" * 9):
        assert orientation([block]) == UPRIGHT


def test_no_other_tag_hides_the_orientation() -> None:
    """Every type, at every place, with every count that has an edge: some thousand blocks."""
    tried = 0
    for order, way in (("<", 6), (">", 3)):
        for number in (MAKE, SOFTWARE, X_RESOLUTION, RESOLUTION_UNIT, EXIF_DIRECTORY, PREVIEW):
            for kind, count in itertools.product(range(16), (0, 1, 2, 5, 65536, 2**32 - 1)):
                for value in (b"", b"\xff" * 4, b"abcdefghij"):
                    odd = tag(number, kind, count, value)
                    for entries in ((odd, turned(way, order)), (turned(way, order), odd)):
                        assert orientation([exif(*entries, order=order)]) == way
                        tried += 1
    assert tried > 5000


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=80), st.sampled_from([b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"]))
def test_no_block_is_a_crash(block: bytes, head: bytes) -> None:
    assert orientation([head + block, block]) in STORED
