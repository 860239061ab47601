"""Where photos and results are kept: a bucket, or a folder on this machine.

We generate the keys (a kind and a UUID). What is stored under a key is complete or absent, never
partial: a second write replaces the first atomically.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from errors import ApiError

RETRY_AFTER = 5  # seconds


class StorageUnavailable(ApiError):
    """The store does not answer, is full or refuses us: a temporary failure for the caller, 503.

    description: for the log, never for callers.
    """

    def __init__(self, description: str) -> None:
        super().__init__("storage_unavailable", retry_after=RETRY_AFTER)
        self.description = description

    def __str__(self) -> str:
        return f"{self.code}: {self.description}"


class ObjectMissing(Exception):
    """Nothing is stored under this key."""


@dataclass(frozen=True)
class StoredObject:
    """What is stored: size in bytes, and an opaque etag that changes with every write."""

    size: int
    etag: str


@dataclass(frozen=True)
class UploadForm:
    """A multipart/form-data POST: first all `fields`, then the file in a field named `file`."""

    url: str
    fields: dict[str, str]


class Storage(Protocol):
    """Every method may raise StorageUnavailable, after seconds at most; safe in many threads.

    hashed: names() are the SHA-256 of keys in hexadecimal digits; else they are the keys.
    """

    hashed: bool

    def put(self, key: str, file: BinaryIO, *, content_type: str) -> StoredObject:
        """Store the whole of a seekable file; durable on return."""

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        """The bytes as a non-seekable stream. ObjectMissing."""

    def peek(self, key: str, count: int) -> bytes:
        """The first `count` bytes, or all there are; the rest is not transferred. ObjectMissing."""

    def head(self, key: str) -> StoredObject | None:
        """What is stored under the key, None if nothing is."""

    def delete(self, key: str) -> None:
        """Remove the object; does nothing when there is none."""

    def names(self, older_than_seconds: int) -> Iterator[list[str]]:
        """The names of all that was stored longer ago than this, in batches."""

    def remove(self, name: str) -> None:
        """Remove what names() has named; does nothing when it is gone."""

    def presign_upload(
        self, key: str, *, content_type: str, max_bytes: int, expires_in: int
    ) -> UploadForm:
        """A form that lets its holder store 1 to `max_bytes` bytes of exactly this type and key.

        It works for `expires_in` seconds and may be sent again; the last file wins.
        """

    def url(self, key: str, *, expires_in: int, content_type: str) -> str:
        """A link that lets its holder download the object for at least `expires_in` seconds."""

    def uri(self, key: str) -> str:
        """The object's name for our own records; it gives no access."""

    def check(self) -> None:
        """Return when the store can be used now; cheap enough for a readiness probe."""

    def sweep(self, older_than_seconds: int) -> int:
        """Remove leftovers of writes interrupted longer ago than this; returns how many."""
