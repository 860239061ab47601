"""Files on their way to the backend: opened once, read as they are sent."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

# A file for an upload: its bytes, or one that is open for reading and can be rewound.
Upload = bytes | BinaryIO
# What to upload: also the path of a file.
Source = str | Path | Upload

# Formats that phones have, and Python 3.11 does not know.
LATER_TYPES = {
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".avif": "image/avif",
    ".webp": "image/webp",
}
UNKNOWN = "application/octet-stream"  # the backend then looks at the content


@dataclass(frozen=True)
class OpenFile:
    """A file that is being uploaded."""

    content: Upload
    name: str
    content_type: str


@contextmanager
def opened(source: Source, name: str | None) -> Iterator[OpenFile]:
    """The source as an open file; one that was given by its path is closed at the end."""
    if isinstance(source, (str, Path)):
        path = Path(source)
        with path.open("rb") as file:
            yield OpenFile(file, name or path.name, content_type(name or path.name))
    else:
        label = name or "file"
        yield OpenFile(source, label, content_type(label))


def content_type(name: str) -> str:
    """The type that a name promises; what counts for the backend is the content."""
    ending = Path(name).suffix.lower()
    return LATER_TYPES.get(ending) or mimetypes.guess_type(name)[0] or UNKNOWN
