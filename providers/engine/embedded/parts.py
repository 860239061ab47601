"""A photo's file taken apart: what decoders need for the pixels, and what we need besides.

Decoders give up on metadata that have nothing to do with the pixels: a wrong checksum, a text or a
profile that is too long when unpacked, a preview with a wrong offset. So they see none of them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO

from images import isobmff, jpeg, png, webp
from images.source import Ended, Source

MAX_PROFILE_BYTES = 4 * 1024 * 1024  # unpacked; those of printers have one or two
MAX_TEXT_BYTES = 256 * 1024  # an EXIF block as text has at most 130 kB

_APP0, _APP1, _APP2, _APP14, _COMMENT = 0xE0, 0xE1, 0xE2, 0xEE, 0xFE
_EXIF = b"Exif\0"
_ICC = b"ICC_PROFILE\0"
# Metadata that tell libjpeg what the colours are: how they begin, and the fewest bytes it accepts.
_COLOUR_APPS = {_APP0: (b"JFIF\0", 14), _APP14: (b"Adobe", 12)}

_EXIF_KEYWORDS = (b"Raw profile type exif", b"Raw profile type APP1")
_PNG_PIXELS = (b"PLTE", b"IDAT", b"IEND")
_COLOUR_TYPE_AT = 25  # in a PNG
# By colour type, the lengths a tRNS chunk may have; pictures with an alpha channel have none.
_TRANSPARENCY_BYTES = {0: (2,), 2: (6,), 3: range(1, 257)}

_WEBP_SETUP = (webp.EXTENDED, b"ANIM", b"ALPH")
_WEBP_METADATA_FLAGS = 0x20 | 0x08 | 0x04  # in VP8X: there are a profile, EXIF, XMP


@dataclass
class Parts:
    """A file taken apart.

    pixels: a file of the same format that shows the same picture. exif: EXIF blocks in their order.
    profile: an ICC profile.
    """

    pixels: bytes = b""
    exif: list[bytes] = field(default_factory=list)
    profile: bytes | None = None


def taken_apart(content: bytes, format_name: str) -> Parts:
    """The parts of a whole file whose format is one of images.FORMATS. Ended, Malformed.

    Of HEIF and AVIF, decoders themselves tell the profile and which way up the picture is.
    """
    source = Source(BytesIO(content), len(content), patient=True)
    return _TAKE_APART[format_name](content, source)


def _jpeg(content: bytes, source: Source) -> Parts:
    parts, kept, profile = Parts(), [jpeg.START_OF_IMAGE], []
    end = 0
    for marker, start, end in jpeg.segments(source):
        body = content[start:end]
        if marker == _APP1 and body.startswith(_EXIF):
            parts.exif.append(body)
        elif marker == _APP2 and body.startswith(_ICC):
            profile.append(body.removeprefix(_ICC))
        elif _tells_colours(marker, body):
            kept.append(bytes([0xFF, marker]) + content[start - 2 : end])
    parts.pixels = b"".join([*kept, content[end:]])
    parts.profile = _joined(profile)
    return parts


def _tells_colours(marker: int, body: bytes) -> bool:
    """Whether a segment is more than metadata."""
    if marker in _COLOUR_APPS:
        name, least = _COLOUR_APPS[marker]
        return body.startswith(name) and len(body) >= least
    return marker != _COMMENT and not _APP0 <= marker <= 0xEF


def _joined(numbered: list[bytes]) -> bytes | None:
    """A profile from its parts (ICC.1:2022, annex B.4), each with its number and their count."""
    numbered = sorted(numbered)
    if [part[:2] for part in numbered] != [
        bytes([number, len(numbered)]) for number in range(1, min(256, len(numbered) + 1))
    ]:
        return None  # one is missing
    return b"".join(part[2:] for part in numbered)


def _png(content: bytes, source: Source) -> Parts:
    parts, kept = Parts(), [content[: len(png.SIGNATURE) + png.FIRST_CHUNK_BYTES]]
    with suppress(Ended):  # after the pixels; otherwise it is for the decoder to say
        for name, start, end in png.chunks(source):
            body = content[start:end]
            if name in _PNG_PIXELS or (
                name == b"tRNS" and _fits(content, body) and _intact(content, start, end)
            ):
                kept.append(content[start - 8 : end + 4])
            elif name == b"eXIf":
                parts.exif.append(body)
            elif name in (b"tEXt", b"zTXt"):
                parts.exif += _exif_of_text(name, body)
            elif name == b"iCCP" and _intact(content, start, end):
                parts.profile = parts.profile or _profile(body)
    parts.pixels = b"".join(kept)
    return parts


def _intact(content: bytes, start: int, end: int) -> bool:
    """Whether a chunk's checksum is right."""
    return zlib.crc32(content[start - 4 : end]).to_bytes(4, "big") == content[end : end + 4]


def _fits(content: bytes, transparency: bytes) -> bool:
    return len(transparency) in _TRANSPARENCY_BYTES.get(content[_COLOUR_TYPE_AT], ())


def _profile(body: bytes) -> bytes | None:
    """The profile in an iCCP chunk, None if it is damaged or too large."""
    _, _, packed = body.partition(b"\0")
    try:
        return _unpacked(packed[1:], MAX_PROFILE_BYTES)
    except (zlib.error, ValueError):
        return None


def _exif_of_text(name: bytes, body: bytes) -> list[bytes]:
    """The EXIF block that ImageMagick wrote as digits before PNG had a chunk for it, if any."""
    keyword, _, text = body.partition(b"\0")
    if keyword not in _EXIF_KEYWORDS:
        return []
    try:
        if name == b"zTXt":
            text = _unpacked(text[1:], MAX_TEXT_BYTES)
        # An empty line, "exif", the length, and lines of digits.
        return [bytes.fromhex(text.split(b"\n", 3)[3].decode("ascii"))]
    except (zlib.error, ValueError, IndexError):
        return []


def _unpacked(packed: bytes, limit: int) -> bytes:
    """ValueError when it is more than `limit` bytes, or not whole."""
    unpacking = zlib.decompressobj()
    content = unpacking.decompress(packed, limit)
    if not unpacking.eof:
        raise ValueError
    return content


def _webp(content: bytes, source: Source) -> Parts:
    """Of an animation, the first frame. The size of the whole is written anew: it may be wrong."""
    parts, kept, seen = Parts(), [], False
    with suppress(Ended):
        for name, start, end in webp.chunks(source):
            body = content[start:end]
            if name == webp.EXTENDED and body:
                body = bytes([body[0] & ~_WEBP_METADATA_FLAGS]) + body[1:]
            if not seen and name in (*_WEBP_SETUP, *webp.PICTURES):
                kept.append(_riff(name, body))
                seen = name in webp.PICTURES
            elif name == b"EXIF":
                parts.exif.append(body)
            elif name == b"ICCP":
                parts.profile = parts.profile or body
    parts.pixels = _riff(b"RIFF", b"WEBP" + b"".join(kept))
    return parts


def _riff(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _heif(content: bytes, source: Source) -> Parts:
    """The plugin judges by the major brand, libheif by the others, and looks in a sequence for a
    track instead of the picture. `mif1` is what all pictures have in common.
    """
    patched = bytearray(_without_exif(content, source))
    compatible = range(16, int.from_bytes(patched[:4], "big") - 3, 4)
    for offset in (8, *compatible):
        patched[offset : offset + 4] = b"mif1"
    return Parts(bytes(patched))


def _avif(content: bytes, source: Source) -> Parts:
    patched = bytearray(_without_exif(content, source))
    if patched[8:12] != b"avis":
        patched[8:12] = b"avif"
    return Parts(bytes(patched))


def _without_exif(content: bytes, source: Source) -> bytes:
    """EXIF items get a type that nobody knows.

    What counts is the container's own property. Pillow writes that into the EXIF block of an AVIF,
    which fails for some blocks.
    """
    for kind, start, end in isobmff.boxes(source):
        if kind == b"meta":
            return content[:start] + content[start:end].replace(b"Exif", b"exif") + content[end:]
    return content


_TAKE_APART: dict[str, Callable[[bytes, Source], Parts]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "WEBP": _webp,
    "HEIF": _heif,
    "AVIF": _avif,
}
