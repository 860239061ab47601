"""What some senders do to a form, undone before it is parsed: a preamble, and lines ended by LF.

RFC 2046, section 5.1.1, lets a preamble come before the first boundary; it is skipped. Lines end
with CRLF, but scripts and old libraries write LF, and common servers read that. The line of the
first boundary decides: after CRLF every byte is passed on as it came.
"""

from __future__ import annotations

import re
from collections.abc import Callable

# More than any header line that the parser takes.
LONGEST_LINE = 8192


class FormLines:
    """A form in pieces, as they come in and as the parser wants them.

    skipped: bytes of the preamble so far. begun: whether the first boundary has been found.
    """

    def __init__(self, boundary: bytes) -> None:
        self.skipped = 0
        self.begun = False
        self._boundary = b"--" + boundary
        self._delimiter = re.compile(rb"\n" + re.escape(self._boundary) + rb"(?:--|\r?\n)")
        self._uncertain = len(b"\n--" + boundary + b"\r\n") - 1  # bytes that may be a part of one
        # The body begins as if a line had ended before it.
        self._held = b"\n"
        self._next: Callable[[], bytes | None] = self._preamble

    def mended(self, piece: bytes) -> bytes:
        """What the parser is to read next; the rest waits for the next piece."""
        self._held += piece
        pieces = []
        while (each := self._next()) is not None:
            pieces.append(each)
        return b"".join(pieces)

    # Each of these takes from what is held; None when it has to wait for more.

    def _preamble(self) -> bytes | None:
        found = self._delimiter.search(self._held)
        if found is None:
            self.skipped += len(self._take_certain())
            return None
        self.begun = True
        self._held = self._held[found.start() + 1 :]
        ends_with_lf = found[0].endswith(b"\n") and not found[0].endswith(b"\r\n")
        self._next = self._line if ends_with_lf else self._unchanged
        return b""

    def _unchanged(self) -> bytes | None:
        piece, self._held = self._held, b""
        return piece or None

    def _line(self) -> bytes | None:
        """A boundary or a header; an empty line ends the headers."""
        line, ended, rest = self._held.partition(b"\n")
        is_last = self._held.startswith(self._boundary + b"--")
        if is_last or (not ended and len(line) > LONGEST_LINE):
            self._next = self._unchanged
            return b""
        if not ended:
            return None
        self._held = rest
        line = line.removesuffix(b"\r")
        if not line:
            self._next = self._content
        return line + b"\r\n"

    def _content(self) -> bytes | None:
        """The content of a part: any bytes, until a line end and a boundary."""
        found = self._delimiter.search(self._held)
        if found is None:
            return self._take_certain() or None
        content, self._held = self._held[: found.start()], self._held[found.start() + 1 :]
        self._next = self._line
        return content + b"\r\n"

    def _take_certain(self) -> bytes:
        """What is held, without the last bytes, in which a delimiter may have begun."""
        size = max(len(self._held) - self._uncertain, 0)
        taken, self._held = self._held[:size], self._held[size:]
        return taken
