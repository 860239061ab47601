"""A card with a colour of its own on every side, in many kinds of file: is the result upright?"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageColor, ImageDraw

# HEVC with 10 bits a channel, which no library here can write; 240 x 320, drawn for such tests.
TEN_BIT_HEIC = (Path(__file__).parent / "card_10bit.heic").read_bytes()
SIZE = (96, 128)
SIDES = {"top": "red", "bottom": "green", "left": "blue", "right": "yellow"}
# Orientation of EXIF: how an upright card is stored so that this value makes it upright again.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
ORIENTATION = 0x0112
SHORT, LONG = 3, 4


def card(orientation: int = 1, size: tuple[int, int] = SIZE) -> Image.Image:
    """The card as a camera stores it that was held so."""
    width, height = size
    picture = Image.new("RGB", size, "lightgrey")
    draw = ImageDraw.Draw(picture)
    band = min(size) // 6
    draw.rectangle((0, 0, band, height), SIDES["left"])
    draw.rectangle((width - band, 0, width, height), SIDES["right"])
    draw.rectangle((0, 0, width, band), SIDES["top"])
    draw.rectangle((0, height - band, width, height), SIDES["bottom"])
    turn = STORED[orientation]
    return picture if turn is None else picture.transpose(turn)


def is_upright(picture: np.ndarray, *, mode: str = "RGB") -> bool:
    """Whether pixels (BGR) show the card as it was drawn, with the colours of this mode."""
    height, width = picture.shape[:2]
    found = Image.fromarray(np.ascontiguousarray(picture[:, :, ::-1]))
    expected = in_mode(card(size=(width, height)), mode).convert("RGB")
    difference = np.abs(np.asarray(found, int) - np.asarray(expected, int))
    return height > width and float(difference.mean()) < 12


def sides(picture: np.ndarray) -> dict[str, str]:
    """The colours at the sides of any card (BGR), by name."""
    height, width = picture.shape[:2]
    places = {
        "top": (3, width // 2),
        "bottom": (height - 4, width // 2),
        "left": (height // 2, 3),
        "right": (height // 2, width - 4),
    }
    return {
        side: min(
            SIDES.values(),
            key=lambda name: np.abs(np.subtract(ImageColor.getrgb(name), picture[at][::-1])).sum(),
        )
        for side, at in places.items()
    }


def in_mode(picture: Image.Image, mode: str) -> Image.Image:
    """The same picture in another mode; I;16 is grey with 16 bits."""
    if mode == "I;16":
        return Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    return picture.convert(mode, dither=Image.Dither.NONE)


def saved(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    """The card as a file of this kind."""
    out = io.BytesIO()
    (image or card()).save(out, kind, **options)
    return out.getvalue()


def tag(number: int, kind: int, count: int, value: bytes) -> tuple[int, int, int, bytes]:
    """An entry of an EXIF block; a value of more than four bytes goes behind the entries."""
    return number, kind, count, value


def turned(orientation: int, order: str = "<") -> tuple[int, int, int, bytes]:
    """The entry that says which way up the picture is."""
    return tag(ORIENTATION, SHORT, 1, struct.pack(f"{order}H", orientation))


def exif(*entries: tuple[int, int, int, bytes], order: str = "<") -> bytes:
    """A TIFF block with these entries, in any number of ways that no library would write."""
    behind = 8 + 2 + 12 * len(entries) + 4
    directory, values = b"", b""
    for number, kind, count, value in entries:
        place = value.ljust(4, b"\0")
        if len(value) > 4:
            place = struct.pack(f"{order}L", behind + len(values))
            values += value
        directory += struct.pack(f"{order}HHL", number, kind, count) + place
    mark = b"II*\0" if order == "<" else b"MM\0*"
    head = mark + struct.pack(f"{order}LH", 8, len(entries))
    return head + directory + b"\0\0\0\0" + values


def jpeg_with(photo: bytes, *segments: tuple[int, bytes]) -> bytes:
    """A JPEG with (marker, content) behind its first two bytes."""
    more = b"".join(
        struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
        for marker, content in segments
    )
    return photo[:2] + more + photo[2:]


def chunk(name: bytes, content: bytes, *, checksum: int | None = None) -> bytes:
    """A chunk of a PNG, with this checksum instead of its own."""
    right = zlib.crc32(name + content) if checksum is None else checksum
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", right)


def png_with(photo: bytes, *chunks: bytes) -> bytes:
    """A PNG with chunks behind its first one."""
    return photo[:33] + b"".join(chunks) + photo[33:]


def png_chunks(photo: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, content) of each chunk."""
    place = 8
    while place < len(photo):
        (length,) = struct.unpack_from(">I", photo, place)
        yield photo[place + 4 : place + 8], photo[place + 8 : place + 8 + length]
        place += length + 12


def packed_profile(size: int) -> bytes:
    """An iCCP chunk's content that unpacks to so many bytes."""
    return b"profile\0\0" + zlib.compress(srgb().ljust(size, b"\0"), 9)


@cache
def srgb() -> bytes:
    """A colour profile that changes nothing."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def branded(heif: bytes, major: bytes, *compatible: bytes) -> bytes:
    """A HEIF or AVIF file under other brands; there is room for as many as it has."""
    length = int.from_bytes(heif[:4], "big")
    brands = b"".join(compatible) or heif[16:length]
    assert len(brands) <= length - 16
    return heif[:8] + major + heif[12:16] + brands.ljust(length - 16, b"\0") + heif[length:]
