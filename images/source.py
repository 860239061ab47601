"""A file whose beginning is at hand, read at any position."""

from __future__ import annotations

from typing import BinaryIO

# Enough for a picture of 20 MiB in chunks of a kilobyte; it takes a twentieth of a second at most.
MAX_READS = 20_000


class Malformed(Exception):
    """The file is not what its first bytes promise; the text continues "the file ..."."""


class Ended(Exception):
    """The file ends before what is asked for."""


class NotSeen(Exception):
    """What is asked for may be in the file, but not where a header is looked for."""


class Source:
    """A file of `size` bytes, of which `file` holds all or the beginning.

    patient: read on after MAX_READS, which a file made to waste time may need.
    """

    def __init__(self, file: BinaryIO, size: int, *, patient: bool = False) -> None:
        self.size = size
        self._file = file
        self._reads_left = float("inf") if patient else MAX_READS

    def read(self, start: int, count: int) -> bytes:
        """Exactly `count` bytes. Ended, NotSeen."""
        if start + count > self.size:
            raise Ended
        found = self.read_some(start, count)
        if len(found) < count:
            raise NotSeen
        return found

    def read_some(self, start: int, count: int) -> bytes:
        """At most `count` bytes, none at the end of the file. NotSeen."""
        if self._reads_left <= 0:
            raise NotSeen
        self._reads_left -= 1
        self._file.seek(start)
        found = self._file.read(count)
        if not found and start < self.size:
            raise NotSeen
        return found
