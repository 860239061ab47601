"""multipart/form-data (RFC 7578) read as it arrives: the caller says where files go, not memory.

The multipart package finds boundaries and headers; limits, names and duplicates are checked here.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import BinaryIO

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header
from starlette.types import Receive

from spec.functions import FilePart
from web.multipart_lines import FormLines

SILENCE_SECONDS = 30  # a sender that is silent for longer is considered gone
# Generous for 8 headers of 4 KiB, which the parser itself enforces, and one boundary.
PART_OVERHEAD_BYTES = 8 * 4224 + 512
PREAMBLE_BYTES = 64 * 1024

# RFC 2046, section 5.1.1.
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
# For non-ASCII names old clients send only this form; RFC 7578 forbids it, the parser drops it.
_EXTENDED_FILENAME = re.compile(r";\s*filename\*\s*=", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PLAIN_ENCODINGS = ("", "7bit", "8bit", "binary")


class FormError(Exception):
    """The form is malformed or incomplete; `field` names the part if it is known."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class FormTooLarge(Exception):
    """A part, or everything around the files, has more than `max_bytes`; or too many parts."""

    def __init__(self, message: str, field: str | None = None, max_bytes: int | None = None):
        super().__init__(message)
        self.message = message
        self.field = field
        self.max_bytes = max_bytes


@dataclass
class Form:
    """A form read to its end; files are rewound to their start."""

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, FilePart] = field(default_factory=dict)


@dataclass
class FileSink:
    """Where a file's bytes go: a buffered, seekable, writable file and its limit in bytes."""

    file: BinaryIO
    max_bytes: int


BeginFile = Callable[[str, dict[str, str]], FileSink]


async def read_form(
    content_type: str,
    receive: Receive,
    *,
    begin_file: BeginFile,
    max_field_bytes: int = 65536,
    max_parts: int = 20,
) -> Form:
    """Read a whole form; names are unique, texts are UTF-8 without NUL.

    begin_file(name, fields so far) is called when a file's headers have been read, before any of
    its bytes; what it raises ends the reading. Files are written in threads, as a disk may block.
    FormError when malformed or cut short, FormTooLarge as soon as a limit is passed, OSError from
    writing; after any of them the files are closed and the caller deletes them.
    """
    boundary = _boundary(content_type)
    reading = _Reading(begin_file, max_field_bytes=max_field_bytes, max_parts=max_parts)
    try:
        await _read(reading, boundary, receive)
    except MultipartError as error:
        reading.close()
        raise FormError(str(error.args[0]), reading.name) from error
    except BaseException:
        reading.close()
        raise
    return reading.form


async def _read(reading: _Reading, boundary: str, receive: Receive) -> None:
    lines = FormLines(boundary.encode("ascii"))
    # Headers are UTF-8, but one that is not shall not hide the name of its part.
    parser = PushMultipartParser(boundary, header_charset="latin-1")
    async for chunk in _chunks(receive):
        reading.count(len(chunk))
        if mended := lines.mended(chunk):
            for event in parser.parse(mended):
                reading.take(event)
        if lines.skipped > PREAMBLE_BYTES:
            raise FormError(f"has no boundary in its first {PREAMBLE_BYTES} bytes")
        if reading.unwritten:
            await in_thread(reading.write)
    if not lines.begun:
        raise FormError("does not have the boundary that its Content-Type names")
    parser.close()  # fails when the closing boundary is missing: the rest was lost in transit
    await in_thread(reading.rewind)


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                message = await receive()
        except TimeoutError as error:
            raise FormError(f"nothing arrived for {SILENCE_SECONDS} seconds") from error
        if message["type"] == "http.disconnect":
            raise FormError("was not sent whole")
        if body := message.get("body", b""):
            yield body
        more = message.get("more_body", False)


async def in_thread(call: Callable[[], None]) -> None:
    """Run to completion even when cancelled: closing a file while it is written is a race."""
    work = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise


def _boundary(content_type: str) -> str:
    kind, options = parse_options_header(content_type)
    if kind != "multipart/form-data":
        raise FormError("the Content-Type is not multipart/form-data")
    boundary: str = options.get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise FormError("the Content-Type has no usable boundary")
    return boundary


class _Reading:
    """The form so far; takes the parser's events in the order of the bytes.

    name: that of the part being read, once it is known.
    """

    def __init__(self, begin_file: BeginFile, *, max_field_bytes: int, max_parts: int) -> None:
        self.form = Form()
        self.name: str | None = None
        self.unwritten: list[tuple[FilePart, bytes]] = []
        self._begin_file = begin_file
        self._max_field_bytes = max_field_bytes
        self._max_parts = max_parts
        self._parts = 0
        self._overhead = max_parts * (max_field_bytes + PART_OVERHEAD_BYTES)
        self._file: FilePart | None = None
        self._limit = 0
        self._text = bytearray()

    def take(self, event: MultipartSegment | bytes | None) -> None:
        """A part's headers, then pieces of its content, then None at its end."""
        if event is None:
            self._end_part()
        elif isinstance(event, MultipartSegment):
            self._begin_part(event)
        else:
            self._take_content(event)

    def count(self, received: int) -> None:
        """Limit bytes outside files: padding, epilogue and line ends can be endless."""
        self._overhead -= received
        if self._overhead + sum(part.size for part in self.form.files.values()) < 0:
            raise FormTooLarge("too many bytes outside of files")

    def write(self) -> None:
        """Write the bytes found so far to their files."""
        for part, content in self.unwritten:
            part.file.write(content)
        self.unwritten.clear()

    def rewind(self) -> None:
        """Flush every file's buffer and go to its start."""
        for part in self.form.files.values():
            part.file.seek(0)

    def close(self) -> None:
        """Close every file; what was in their buffers is no longer needed."""
        self.unwritten.clear()
        for part in self.form.files.values():
            with contextlib.suppress(OSError):
                part.file.close()

    def _begin_part(self, segment: MultipartSegment) -> None:
        self._parts += 1
        if self._parts > self._max_parts:
            raise FormTooLarge(f"has more than {self._max_parts} parts")
        headers = dict(segment.headerlist)
        if len(headers) < len(segment.headerlist):
            raise FormError("a part has the same header twice")
        # Seen or not seen by the parser, depending on how the network cuts the form.
        if any("\n" in value for value in headers.values()):
            raise FormError("a part has a line break in a header")
        if not segment.name:
            raise FormError("a part has no name")
        name = self.name = _clean(segment.name, "a part's name")
        if name in self.form.fields or name in self.form.files:
            raise FormError("is sent twice", name)
        encoding = headers.get("Content-Transfer-Encoding", "").strip().lower()
        if encoding not in _PLAIN_ENCODINGS:
            raise FormError("has a Content-Transfer-Encoding", name)
        extended = _EXTENDED_FILENAME.search(headers["Content-Disposition"])
        if segment.filename is not None or extended:
            self._begin_file_part(name, segment.filename or "", headers)
        else:
            self._file = None
            self._text = bytearray()

    def _begin_file_part(self, name: str, filename: str, headers: dict[str, str]) -> None:
        filename = _clean(filename, "a file name", name)
        claimed = headers.get("Content-Type", "application/octet-stream")
        content_type = _clean(claimed, "a part's Content-Type", name)
        sink = self._begin_file(name, dict(self.form.fields))
        self._limit = sink.max_bytes
        self._file = self.form.files[name] = FilePart(name, filename, content_type, sink.file)

    def _take_content(self, content: bytes) -> None:
        if self._file is None:
            self._text += content
            self._require_size(len(self._text), self._max_field_bytes)
        else:
            self._file.size += len(content)
            self._require_size(self._file.size, self._limit)
            self.unwritten.append((self._file, content))

    def _require_size(self, size: int, limit: int) -> None:
        if size > limit:
            raise FormTooLarge(f"has more than {limit} bytes", self.name, limit)

    def _end_part(self) -> None:
        if self._file is None and self.name is not None:
            self.form.fields[self.name] = _text(bytes(self._text), "its value", self.name)
        self.name = self._file = None


def _text(raw: bytes, what: str, name: str | None = None) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormError(f"{what} is not UTF-8", name) from error
    if "\0" in text:
        raise FormError(f"{what} has a NUL", name)
    return text


def _clean(header: str, what: str, name: str | None = None) -> str:
    """Text of a header: no control characters, so that it can go into logs and responses."""
    text = _text(header.encode("latin-1"), what, name)
    if _CONTROL.search(text):
        raise FormError(f"{what} has control characters", name)
    return text
