"""Which way up a photo is: the one EXIF tag that matters to us.

Read by hand: libraries read, or even rewrite, the whole block, and fail on a tag of another type
that has nothing to do with it. Orientation in XMP alone is ignored, as browsers do.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from PIL import Image

UPRIGHT = 1
# EXIF 2.32, section 4.6.4, tag Orientation: what makes a picture stored this way upright.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_TAG = 0x0112
_ENTRY_BYTES = 12
# Of whole numbers, TIFF 6.0, section 2; SHORT is right, the others occur.
_TYPES = {1: "B", 3: "H", 4: "L", 6: "b", 8: "h", 9: "l"}
_PREFIX = b"Exif\0"


def orientation(exif_blocks: Iterable[bytes]) -> int:
    """1 to 8 from the first block that tells it, otherwise UPRIGHT."""
    for block in exif_blocks:
        try:
            found = _in_tiff(block[6:] if block.startswith(_PREFIX) else block)
        except struct.error:  # the block ends too early
            continue
        if found is not None:
            return found
    return UPRIGHT


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """The picture made upright."""
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image


def _in_tiff(block: bytes) -> int | None:
    """The tag in the first directory, if it has one of the eight values."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return None
    (offset,) = struct.unpack_from(f"{order}L", block, 4)
    (count,) = struct.unpack_from(f"{order}H", block, offset)
    for number in range(count):
        at = offset + 2 + number * _ENTRY_BYTES
        tag, kind, values = struct.unpack_from(f"{order}HHL", block, at)
        if tag != _TAG or kind not in _TYPES or not values:
            continue
        number_format = f"{order}{_TYPES[kind]}"
        # What does not fit into the four bytes of the entry is elsewhere in the block.
        if values * struct.calcsize(number_format) > 4:
            (where,) = struct.unpack_from(f"{order}L", block, at + 8)
        else:
            where = at + 8
        (value,) = struct.unpack_from(number_format, block, where)
        if UPRIGHT <= value <= max(TURNS):
            return int(value)
    return None
