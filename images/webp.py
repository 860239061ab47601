"""WebP: RFC 9649, section 2. Chunks of the RIFF container; nothing is decoded."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress

from images.source import Ended, Malformed, Source

HEADER_BYTES = 12  # RIFF, a size that is not always true, WEBP
EXTENDED = b"VP8X"
# What holds pixels: lossy, lossless, one frame of an animation.
PICTURES = frozenset({b"VP8 ", b"VP8L", b"ANMF"})


def chunks(source: Source) -> Iterator[tuple[bytes, int, int]]:
    """(name, where its content begins, where it ends) to the end of the file. Ended, NotSeen.

    Without a VP8X chunk in front there is only the picture.
    """
    position, extended = HEADER_BYTES, False
    while True:
        name, length = struct.unpack("<4sI", source.read(position, 8))
        yield name, position + 8, position + 8 + length
        extended = extended or name == EXTENDED
        if not extended:
            return
        position += 8 + length + length % 2


def size(source: Source) -> tuple[int, int]:
    """Width and height. Ended, NotSeen, Malformed."""
    name, start, _ = next(chunks(source))
    if name == EXTENDED:
        width, height = source.read(start + 4, 3), source.read(start + 7, 3)
        return int.from_bytes(width, "little") + 1, int.from_bytes(height, "little") + 1
    if name == b"VP8L":
        bits = int.from_bytes(source.read(start + 1, 4), "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if name == b"VP8 " and source.read(start + 3, 3) == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", source.read(start + 6, 4))
        return width & 0x3FFF, height & 0x3FFF
    raise Malformed("has no WebP header")


def require_whole(source: Source) -> None:
    """Ended when there is no picture, or the first one is cut off. NotSeen."""
    whole = False
    with suppress(Ended):
        for name, _, end in chunks(source):
            if name in PICTURES:
                whole = end <= source.size
                break
    if not whole:
        raise Ended
