"""PNG: W3C Portable Network Graphics, third edition, section 5. Chunks; nothing is decoded."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress

from images.source import Ended, Malformed, Source

SIGNATURE = b"\x89PNG\r\n\x1a\n"
FIRST_CHUNK_BYTES = 25  # length, name, 13 bytes, checksum
# The checksum that ends the compressed pixels; decoders do without.
_LAST_BYTES = 4


def chunks(source: Source) -> Iterator[tuple[bytes, int, int]]:
    """(name, where its content begins, where it ends), to the IEND chunk. Ended, NotSeen."""
    position = len(SIGNATURE)
    while True:
        length, name = struct.unpack(">I4s", source.read(position, 8))
        yield name, position + 8, position + 8 + length
        if name == b"IEND":
            return
        position += length + 12


def size(source: Source) -> tuple[int, int]:
    """Width and height. Ended, NotSeen, Malformed."""
    first = source.read(len(SIGNATURE), FIRST_CHUNK_BYTES)
    length, name, width, height = struct.unpack_from(">I4sII", first)
    (checksum,) = struct.unpack_from(">I", first, 21)
    if (length, name) != (13, b"IHDR") or zlib.crc32(first[4:21]) != checksum:
        raise Malformed("has no PNG header")
    return width, height


def require_whole(source: Source) -> None:
    """Ended when there are no pixels, or fewer than announced. NotSeen.

    A file that lacks only what follows the pixels is whole.
    """
    whole = False
    with suppress(Ended):
        for name, _, end in chunks(source):
            if name == b"IDAT":
                whole = end <= source.size + _LAST_BYTES
    if not whole:
        raise Ended
