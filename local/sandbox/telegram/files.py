"""The files that Telegram keeps: known by a file_id that can be sent again, photos in sizes."""

from __future__ import annotations

import hashlib
import io
import itertools
import secrets
import threading
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import pi_heif
from PIL import Image, ImageOps

from local.sandbox.telegram.wire import Parameters, Refusal

# The prefixes that clients know the kinds by.
PREFIXES = {"photo": "AgAC", "video": "BAAC", "animation": "CgAC", "document": "BQAC"}
SIDES = (90, 320, 800, 1280)  # of the sizes s, m, x and y
THUMBNAIL = (320,)
PHOTO_QUALITY = 87
DOWNLOAD_LIMIT = 20_000_000

pi_heif.register_heif_opener()  # type: ignore[no-untyped-call, unused-ignore]


@dataclass(frozen=True)
class StoredFile:
    """One file; `attributes` are those of its object in a message: width, duration, file_name."""

    file_id: str
    kind: str
    content: bytes
    path: str
    mime_type: str
    attributes: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """The fields that all kinds of file objects share, and its own."""
        unique = hashlib.sha256(self.file_id.encode()).hexdigest()[:16]
        return {
            "file_id": self.file_id,
            "file_unique_id": unique,
            "file_size": len(self.content),
            **self.attributes,
        }


class Files:
    """All files of one bot's world, in memory. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._by_id: dict[str, StoredFile] = {}
        self._by_path: dict[str, StoredFile] = {}

    def keep(
        self, kind: str, content: bytes, *, name: str, mime_type: str, **attributes: Any
    ) -> StoredFile:
        """Store a file under a new id; photos alone have neither name nor type on the wire."""
        if kind != "photo":
            attributes = {"file_name": name, "mime_type": mime_type, **attributes}
        suffix = PurePath(name).suffix[:10] or ".bin"
        with self._lock:
            path = f"{kind}s/file_{next(self._numbers)}{suffix}"
            file_id = PREFIXES[kind] + secrets.token_urlsafe(42)
            stored = StoredFile(file_id, kind, content, path, mime_type, attributes)
            self._by_id[file_id] = self._by_path[path] = stored
        return stored

    def keep_photo(self, content: bytes, sides: tuple[int, ...] = SIDES) -> list[StoredFile]:
        """A picture as Telegram keeps it: upright, without EXIF, as JPEGs of growing size.

        400 for what is no picture, or is too large or too narrow to be a photo.
        """
        picture = _opened(content)
        kept = []
        for side in sides:
            copy = picture.copy()
            copy.thumbnail((side, side))
            jpeg = io.BytesIO()
            copy.save(jpeg, "JPEG", quality=PHOTO_QUALITY)
            size = {"width": copy.width, "height": copy.height}
            kept.append(
                self.keep("photo", jpeg.getvalue(), name="file.jpg", mime_type="image/jpeg", **size)
            )
            if max(picture.size) <= side:
                break
        return kept

    def find(self, file_id: str) -> StoredFile | None:
        """The file of an id."""
        with self._lock:
            return self._by_id.get(file_id)

    def at(self, path: str) -> StoredFile | None:
        """The file of a file_path."""
        with self._lock:
            return self._by_path.get(path)

    def get_file(self, parameters: Parameters) -> dict[str, Any]:
        """getFile: a File with its file_path; 400 above 20 MB, as on the public server."""
        stored = self.find(parameters.text("file_id"))
        if stored is None:
            raise Refusal(400, "Bad Request: invalid file_id")
        if len(stored.content) > DOWNLOAD_LIMIT:
            raise Refusal(400, "Bad Request: file is too big")
        shared = ("file_id", "file_unique_id", "file_size")
        found = stored.as_dict()
        return {name: found[name] for name in shared} | {"file_path": stored.path}


def _opened(content: bytes) -> Image.Image:
    try:
        picture = Image.open(io.BytesIO(content))
        width, height = picture.size
        if width + height > 10_000 or max(width, height) > 20 * min(width, height):
            raise Refusal(400, "Bad Request: PHOTO_INVALID_DIMENSIONS")
        return ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise Refusal(400, "Bad Request: IMAGE_PROCESS_FAILED") from None
