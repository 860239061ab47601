"""The scans of a JPEG that has lost its end marker: is that all it has lost?

libjpeg fills up what is missing without telling, so that half a photo comes out grey or coarse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO

from images import jpeg
from images.source import Source

_END_MARKER = b"\xff\xd9"
_START_MARKER = re.compile(rb"\xff\xda")  # in the data of a scan, FF is followed by 00 or D0 to D7
_LAST_COEFFICIENT = 63
# What becomes pixels wherever a scan is not complete. Twice, because libjpeg gives up on one of the
# eight restart markers when it meets one of the next two in its place.
_CODES = bytes(range(1, 255))
_MORE_OF_A_SCAN = [
    _CODES + b"".join(bytes([0xFF, 0xD0 + (first + n) % 8]) + _CODES for n in range(8))
    for first in (0, 4)
]


def ended(pixels: bytes) -> bytes:
    """The file with an end marker."""
    return _scans(pixels) + _END_MARKER


def continued(pixels: bytes) -> Iterator[bytes]:
    """The file with more data than it had: the picture stays the same if the last scan is whole."""
    return (_scans(pixels) + more + _END_MARKER for more in _MORE_OF_A_SCAN)


def none_missing(pixels: bytes) -> bool:
    """Whether scans for all that the picture consists of have begun (ITU-T T.81, annex G).

    A progressive picture is refined from scan to scan: each component needs its mean values and
    its highest frequencies to the last bit.
    """
    needed = {(component, part) for component in _components(pixels) for part in ("mean", "rest")}
    for found in _START_MARKER.finditer(pixels):
        header = pixels[found.end() + 2 : found.end() + 14]
        count = header[0] if header else 0
        selection = header[1 + 2 * count : 4 + 2 * count]
        if len(selection) < 3 or selection[2] & 0x0F:  # bits that are left for later
            continue
        for component in header[1 : 1 + 2 * count : 2]:
            if selection[0] == 0:
                needed.discard((component, "mean"))
            if selection[1] == _LAST_COEFFICIENT:
                needed.discard((component, "rest"))
    return not needed


def _scans(pixels: bytes) -> bytes:
    return pixels.rstrip(b"\xff")  # half a marker


def _components(pixels: bytes) -> list[int]:
    """The ids of the components in the frame."""
    source = Source(BytesIO(pixels), len(pixels), patient=True)
    for marker, start, end in jpeg.segments(source):
        if marker in jpeg.FRAMES:
            return list(pixels[start + 6 : end : 3])
    return []
