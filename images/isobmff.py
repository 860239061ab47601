"""HEIF and AVIF: boxes of ISO/IEC 14496-12, items of ISO/IEC 23008-12. Nothing is decoded."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO

from images.source import Ended, Malformed, NotSeen, Source

# Photos of 200 megapixels in hundreds of tiles need a tenth of it.
MAX_META_BYTES = 128 * 1024
_FULL_BOX = 4  # bytes of version and flags in front of some contents


def brands(start: bytes) -> list[bytes]:
    """The brands of a file that begins with `start`, the major one first; none without `ftyp`."""
    if len(start) < 16 or start[4:8] != b"ftyp":
        return []
    end = min(int.from_bytes(start[:4], "big"), len(start))
    compatible = [start[position : position + 4] for position in range(16, end - 3, 4)]
    return [start[8:12], *compatible]


def boxes(source: Source, start: int = 0) -> Iterator[tuple[bytes, int, int]]:
    """(type, where its content begins, where it ends) from `start` on. NotSeen, Malformed.

    The last one may end behind the end of the file, which is then cut off.
    """
    while start + 8 <= source.size:
        length, kind = struct.unpack(">I4s", source.read(start, 8))
        head = 8
        if length == 1:
            length, head = int.from_bytes(source.read(start + 8, 8), "big"), 16
        elif length == 0:
            length = source.size - start
        if length < head:
            raise Malformed("has a box without a length")
        yield kind, start + head, start + length
        start += length


def size(source: Source) -> tuple[int, int]:
    """Width and height of the primary item before it is turned. Ended, NotSeen, Malformed."""
    kinds = set()
    for kind, start, end in boxes(source):
        if kind == b"meta":
            return _primary_size(_inside(source, start, end))
        kinds.add(kind)
    if b"moov" in kinds:  # a sequence may do without a meta box
        raise NotSeen
    raise Malformed("has no meta box")


def require_whole(source: Source) -> None:
    """Ended when the box with the pixels is missing or cut off. NotSeen, Malformed."""
    whole = False
    for kind, start, end in boxes(source):
        if kind == b"meta":
            inside = boxes(_inside(source, start, end), _FULL_BOX)
            whole = any(part == b"idat" for part, _, _ in inside)
        elif kind == b"mdat":
            whole = end <= source.size
            break  # what follows may be anything: a video, a camera's own notes
    if not whole:
        raise Ended


def _inside(source: Source, start: int, end: int) -> Source:
    """The content of a box. Ended, NotSeen."""
    if end - start > MAX_META_BYTES:
        raise NotSeen
    return Source(BytesIO(source.read(start, end - start)), end - start)


def _primary_size(meta: Source) -> tuple[int, int]:
    """The size that the properties of the primary item tell. NotSeen if they are not as usual."""
    try:
        parts = {kind: _inside(meta, start, end) for kind, start, end in boxes(meta, _FULL_BOX)}
        lists = {kind: (start, end) for kind, start, end in boxes(parts[b"iprp"])}
        properties = _inside(parts[b"iprp"], *lists[b"ipco"])
        each = list(boxes(properties))
        associations = _inside(parts[b"iprp"], *lists[b"ipma"])
        for index in _property_indexes(associations, item=_item(parts[b"pitm"])):
            kind, start, _ = each[index - 1]
            if kind == b"ispe":
                width, height = struct.unpack(">II", properties.read(start + _FULL_BOX, 8))
                return width, height
    except (Ended, Malformed, LookupError) as error:
        raise NotSeen from error
    raise NotSeen


def _item(pitm: Source) -> int:
    """The primary item's id."""
    wide = pitm.read(0, 1) != b"\0"
    return int.from_bytes(pitm.read(_FULL_BOX, 4 if wide else 2), "big")


def _property_indexes(ipma: Source, *, item: int) -> list[int]:
    """Which properties in `ipco`, counted from 1, the item has."""
    version, flags, count = struct.unpack(">B2xBI", ipma.read(0, 8))
    id_bytes, index_bytes = 4 if version else 2, 2 if flags & 1 else 1
    position = 8
    for _ in range(count):
        found = int.from_bytes(ipma.read(position, id_bytes), "big")
        position += id_bytes + 1
        associated = ipma.read(position - 1, 1)[0]
        raw = ipma.read(position, associated * index_bytes)
        if found == item:
            essential = 0x80 << 8 * (index_bytes - 1)  # a flag in the uppermost bit
            values = (raw[at : at + index_bytes] for at in range(0, len(raw), index_bytes))
            return [int.from_bytes(each, "big") & ~essential for each in values]
        position += len(raw)
    return []
