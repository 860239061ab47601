"""multipart/form-data (RFC 7578) read as it arrives: the caller says where files go, not memory.

python_multipart finds the boundaries; limits, names, duplicates and truncation are checked here.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import BinaryIO

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.types import Receive

from spec.functions import FilePart
from web.multipart_lines import FormLines

SILENCE_SECONDS = 30  # a sender that is silent for longer is considered gone
# Generous for 8 headers of 4 KiB, which the parser itself enforces, and one boundary.
PART_OVERHEAD_BYTES = 8 * 4224 + 512
PREAMBLE_BYTES = 64 * 1024

# RFC 2046, section 5.1.1.
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
# For non-ASCII names old clients send only this form; RFC 7578 forbids it, the parser drops it.
_EXTENDED_FILENAME = re.compile(rb";\s*filename\*\s*=", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PLAIN_ENCODINGS = (b"", b"7bit", b"8bit", b"binary")


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
    reading = _Reading(begin_file, max_field_bytes=max_field_bytes, max_parts=max_parts)
    boundary = _boundary(content_type)
    lines = FormLines(boundary)
    parser = MultipartParser(boundary, reading.callbacks())
    try:
        async for chunk in _chunks(receive):
            parser.write(lines.mended(chunk))
            reading.count(len(chunk))
            if lines.skipped > PREAMBLE_BYTES:
                raise FormError(f"has no boundary in its first {PREAMBLE_BYTES} bytes")
            if reading.unwritten:
                await in_thread(reading.write)
        if not lines.begun:
            raise FormError("does not have the boundary that its Content-Type names")
        reading.require_end()
        await in_thread(reading.rewind)
    except FormParserError as error:
        reading.close()
        raise FormError(str(error), reading.name) from error
    except BaseException:
        reading.close()
        raise
    return reading.form


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


def _boundary(content_type: str) -> bytes:
    try:
        kind, options = parse_options_header(content_type)
    except UnicodeEncodeError as error:
        raise FormError("the Content-Type is not ASCII") from error
    if kind != b"multipart/form-data":
        raise FormError("the Content-Type is not multipart/form-data")
    boundary: bytes = options.get(b"boundary", b"")
    if not _BOUNDARY.fullmatch(boundary):
        raise FormError("the Content-Type has no usable boundary")
    return boundary


class _Reading:
    """The form so far; the parser calls its methods in the order of the bytes."""

    def __init__(self, begin_file: BeginFile, *, max_field_bytes: int, max_parts: int) -> None:
        self.form = Form()
        self.name: str | None = None
        self.unwritten: list[tuple[FilePart, memoryview]] = []
        self._begin_file = begin_file
        self._max_field_bytes = max_field_bytes
        self._max_parts = max_parts
        self._parts = 0
        self._overhead = max_parts * (max_field_bytes + PART_OVERHEAD_BYTES)
        self._file: FilePart | None = None
        self._limit = 0
        self._text = bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._ended = False

    def callbacks(self) -> dict[str, Callable[..., None]]:
        """What the parser is to call."""
        return {
            "on_part_begin": self._on_part_begin,
            "on_header_begin": self._on_header_begin,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }

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

    def require_end(self) -> None:
        """FormError when the closing boundary is missing: the rest was lost in transit."""
        if not self._ended:
            raise FormError("ends before its closing boundary", self.name)

    def close(self) -> None:
        """Close every file; what was in their buffers is no longer needed."""
        self.unwritten.clear()
        for part in self.form.files.values():
            with contextlib.suppress(OSError):
                part.file.close()

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > self._max_parts:
            raise FormTooLarge(f"has more than {self._max_parts} parts")
        self.name = None
        self._headers = {}

    def _on_header_begin(self) -> None:
        self._header_name = bytearray()
        self._header_value = bytearray()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        name = bytes(self._header_name).lower()
        if name in self._headers:
            raise FormError("a part has the same header twice")
        self._headers[name] = bytes(self._header_value)

    def _on_headers_finished(self) -> None:
        header = self._headers.get(b"content-disposition", b"")
        disposition, options = parse_options_header(header)
        if disposition != b"form-data" or not options.get(b"name"):
            raise FormError("a part has no name")
        name = self.name = _clean(options[b"name"], "a part's name")
        if name in self.form.fields or name in self.form.files:
            raise FormError("is sent twice", name)
        encoding = self._headers.get(b"content-transfer-encoding", b"").strip().lower()
        if encoding not in _PLAIN_ENCODINGS:
            raise FormError("has a Content-Transfer-Encoding", name)
        if b"filename" in options or _EXTENDED_FILENAME.search(header):
            self._start_file(name, _clean(options.get(b"filename", b""), "a file name", name))
        else:
            self._file = None
            self._text = bytearray()

    def _start_file(self, name: str, filename: str) -> None:
        claimed = self._headers.get(b"content-type", b"application/octet-stream")
        content_type = _clean(claimed, "a part's Content-Type", name)
        sink = self._begin_file(name, dict(self.form.fields))
        self._limit = sink.max_bytes
        self._file = self.form.files[name] = FilePart(name, filename, content_type, sink.file)

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is None:
            self._text += data[start:end]
            self._require_size(len(self._text), self._max_field_bytes)
        else:
            self._file.size += end - start
            self._require_size(self._file.size, self._limit)
            self.unwritten.append((self._file, memoryview(data)[start:end]))

    def _require_size(self, size: int, limit: int) -> None:
        if size > limit:
            raise FormTooLarge(f"has more than {limit} bytes", self.name, limit)

    def _on_part_end(self) -> None:
        if self._file is None and self.name is not None:
            self.form.fields[self.name] = _text(bytes(self._text), "its value", self.name)
        self._file = None

    def _on_end(self) -> None:
        self._ended = True


def _text(raw: bytes, what: str, name: str | None = None) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormError(f"{what} is not UTF-8", name) from error
    if "\0" in text:
        raise FormError(f"{what} has a NUL", name)
    return text


def _clean(raw: bytes, what: str, name: str | None = None) -> str:
    """Text of a header: no control characters, so that it can go into logs and responses."""
    text = _text(raw, what, name)
    if _CONTROL.search(text):
        raise FormError(f"{what} has control characters", name)
    return text
