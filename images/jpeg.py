"""JPEG: ITU-T T.81, annex B. Segments up to the first scan; nothing is decoded."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from images.source import Ended, Malformed, NotSeen, Source

START_OF_IMAGE = b"\xff\xd8"
END_OF_IMAGE = 0xD9
START_OF_SCAN = 0xDA
# Start of frame: all of C0 to CF but Huffman tables, a reserved one and arithmetic tables.
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

_WITHOUT_CONTENT = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})
# Any number of FF may precede a marker; FF 00 is none.
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_BLOCK_BYTES = 4096


def segments(source: Source) -> Iterator[tuple[int, int, int]]:
    """(marker, where its content begins, where it ends), to the first start of scan.

    Junk before a marker is skipped, as decoders do. Ended, NotSeen, Malformed.
    """
    position = len(START_OF_IMAGE)
    while True:
        marker, position = _next_marker(source, position)
        if marker in _WITHOUT_CONTENT:
            continue
        if marker == END_OF_IMAGE:
            raise Malformed("has no picture")
        (length,) = struct.unpack(">H", source.read(position, 2))
        length = max(length, 2)  # as libjpeg takes less: with nothing after it
        yield marker, position + 2, position + length
        if marker == START_OF_SCAN:
            return
        position += length


def size(source: Source) -> tuple[int, int]:
    """Width and height. Ended, NotSeen, Malformed."""
    for marker, start, _ in segments(source):
        if marker in FRAMES:
            height, width = struct.unpack(">HH", source.read(start + 1, 4))
            return width, height
    raise Malformed("has no frame")


def require_whole(source: Source) -> None:
    """Ended when the file ends before its first scan begins; a cut scan is not seen here."""
    for _, _, end in segments(source):
        if end > source.size:
            raise Ended


def _next_marker(source: Source, position: int) -> tuple[int, int]:
    """The next marker's code, and the position behind it."""
    while True:
        block = source.read_some(position, _BLOCK_BYTES)
        if found := _MARKER.search(block):
            return block[found.end() - 1], position + found.end()
        if len(block) < 2:
            raise Ended if position + len(block) >= source.size else NotSeen
        position += len(block) - 1  # its last byte may begin a marker
