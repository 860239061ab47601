"""Reads the files inside a Qt binary resource (`.rcc`), the form some programs ship photos in."""

import struct
import zlib
from collections.abc import Iterator

_DIRECTORY = 2
_ZLIB = 1


def resource_files(blob: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the path and content of every file of the resource.

    Layout (rcc format 1-3): a header with the offsets of the node tree, the data and the names;
    a node is a directory (child count, first child) or a file (offset of its length and bytes).
    Raises ValueError when the blob is not a Qt resource.
    """
    magic, version, tree, data, names = struct.unpack_from(">4sIIII", blob)
    if magic != b"qres":
        raise ValueError("not a Qt binary resource")
    node_size = 22 if version >= 2 else 14

    def name_at(offset: int) -> str:
        (length,) = struct.unpack_from(">H", blob, names + offset)
        start = names + offset + 6
        return blob[start : start + 2 * length].decode("utf-16-be")

    def walk(index: int, path: str) -> Iterator[tuple[str, bytes]]:
        at = tree + index * node_size
        name_offset, flags = struct.unpack_from(">IH", blob, at)
        here = f"{path}/{name_at(name_offset)}" if index else ""
        if flags & _DIRECTORY:
            count, first = struct.unpack_from(">II", blob, at + 6)
            for child in range(first, first + count):
                yield from walk(child, here)
            return
        (offset,) = struct.unpack_from(">I", blob, at + 10)
        (length,) = struct.unpack_from(">I", blob, data + offset)
        content = blob[data + offset + 4 : data + offset + 4 + length]
        yield here, zlib.decompress(content[4:]) if flags & _ZLIB else content

    return walk(0, "")
