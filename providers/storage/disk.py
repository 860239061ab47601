"""Files in a folder on this machine, served by this server through signed links.

    <root>/links.key                  signs the links; created once
    <root>/store.id                   tells this folder from others; created once
    <root>/incoming/<random>          being written; swept when abandoned
    <root>/objects/ab/cd/<hash>.data  the content; its type is in the links

A name is the SHA-256 of its key, so no key can be a path. A rename replaces the whole file:
readers see the old object or the new one.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from stat import S_ISREG
from typing import Any, BinaryIO, TypeVar, cast

from providers import outside
from providers.storage import ObjectMissing, StorageUnavailable, StoredObject, UploadForm, earlier
from providers.storage.folders import make_folders, sync_folder
from providers.storage.links import DownloadPermit, LinkInvalid, Links, UploadPolicy

# A bucket may stand in the place of these files, so each use counts as one of the outside.
CALL = "storage"
STORAGE_PATH = "/storage"  # where links lead, below the server's own URL
# The database may be on the same disk and must be able to write: this much is left free for it.
RESERVE_BYTES = 64 * 1024 * 1024
NAMES_AT_ONCE = 20_000


Reached = TypeVar("Reached")


@dataclass(frozen=True)
class StoredFile:
    """An object as a file: what stat() said of it belongs to its etag."""

    path: Path
    stat: os.stat_result

    @property
    def stored(self) -> StoredObject:
        """A new object is a new file, so inode and time distinguish them."""
        found = self.stat
        etag = f"{found.st_ino:x}-{found.st_mtime_ns:x}-{found.st_size:x}"
        return StoredObject(found.st_size, etag)


class PendingFile:
    """A file on its way into the store: write to `file`, then keep() it; discard() in any case."""

    def __init__(self, file: BinaryIO, path: Path, folder: Path) -> None:
        self.file = file
        self._path = path
        self._folder = folder

    def keep(self, key: str) -> StoredObject:
        """Store what has been written under `key`; durable on return. StorageUnavailable."""
        target = _path(self._folder, key)
        with _trouble(), self.file as file:
            file.flush()
            os.fsync(file.fileno())
            make_folders(target.parent, self._folder)
            os.replace(self._path, target)
            sync_folder(target.parent)
            return StoredFile(target, os.fstat(file.fileno())).stored

    def discard(self) -> None:
        """Remove what was not kept; what a broken disk does not release is swept later."""
        with contextlib.suppress(OSError):  # closing flushes the buffer, possibly to a full disk
            self.file.close()
        with contextlib.suppress(OSError):
            self._path.unlink()


class DiskStorage:
    """The store in folder `root`; links start with `base_url`; `clock` returns epoch seconds.

    It can be created even without its disk: each use then raises StorageUnavailable, and a server
    started meanwhile still accepts payments.
    """

    hashed = True

    def __init__(
        self, root: Path, *, base_url: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._objects = root / "objects"
        self._incoming = root / "incoming"
        for folder in (self._objects, self._incoming):
            with contextlib.suppress(OSError):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._base_url = base_url
        self._clock = clock
        self._key_file = root / "links.key"
        self._token_file = root / "store.id"
        with contextlib.suppress(StorageUnavailable):
            self._links  # noqa: B018 the key is created now, if possible

    @cached_property
    def _links(self) -> Links:
        with _trouble():
            return Links(_secret(self._key_file), clock=self._clock)

    def put(self, key: str, file: BinaryIO, *, content_type: str) -> StoredObject:
        """See Storage."""
        pending = self.start(file.seek(0, os.SEEK_END))
        try:
            with _trouble():
                file.seek(0)
                shutil.copyfileobj(file, pending.file)
            return pending.keep(key)
        finally:
            pending.discard()

    @contextlib.contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        """See Storage."""
        with self._reached(key, _Reader) as reader:
            yield cast(BinaryIO, io.BufferedReader(reader))

    def peek(self, key: str, count: int) -> bytes:
        """See Storage."""
        with self.open(key) as file:
            return file.read(count)

    def head(self, key: str) -> StoredObject | None:
        """See Storage."""
        try:
            return self.find(key).stored
        except ObjectMissing:
            return None

    def delete(self, key: str) -> None:
        """See Storage."""
        self.remove(_name(key))

    def names(self, older_than_seconds: int) -> Iterator[list[str]]:
        """See Storage. Of a part of the folders at once: who asks for names reads all rows."""
        outside.leave(CALL)
        end, found = self._clock() - older_than_seconds, []
        with _trouble():
            for folder in sorted(self._objects.iterdir()):
                for path in folder.rglob("*"):
                    # Others write and delete meanwhile.
                    with contextlib.suppress(FileNotFoundError):
                        stat = path.stat()
                        if S_ISREG(stat.st_mode) and stat.st_mtime < end:
                            found.append(path.name.partition(".")[0])
                if len(found) >= NAMES_AT_ONCE:
                    yield found
                    found = []
        yield found

    def remove(self, name: str) -> None:
        """See Storage."""
        outside.leave(CALL)
        target = _file(self._objects, name)
        with _trouble():
            earlier.remove(target)
            try:
                target.unlink()
            except FileNotFoundError:
                self._require_disk()

    def presign_upload(
        self, key: str, *, content_type: str, max_bytes: int, expires_in: int
    ) -> UploadForm:
        """See Storage."""
        token = self._links.upload_token(
            key, content_type=content_type, max_bytes=max_bytes, expires_in=expires_in
        )
        return UploadForm(f"{self._base_url}/upload", _fields(key, content_type, token))

    def url(self, key: str, *, expires_in: int, content_type: str) -> str:
        """See Storage."""
        token = self._links.download_token(key, content_type=content_type, expires_in=expires_in)
        return f"{self._base_url}/objects/{token}"

    def uri(self, key: str) -> str:
        """See Storage."""
        return f"file://storage/{key}"

    def token(self) -> str:
        """What tells this folder from others. StorageUnavailable."""
        with _trouble():
            return _secret(self._token_file).hex()

    def check(self) -> None:
        """See Storage."""
        outside.leave(CALL)
        with _trouble():
            self._require_space(0)
            tempfile.TemporaryFile(dir=self._incoming).close()

    def sweep(self, older_than_seconds: int) -> int:
        """See Storage."""
        removed = 0
        with _trouble():
            for path in self._incoming.iterdir():
                # Another worker may be sweeping too, or a writer may have finished.
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime < self._clock() - older_than_seconds:
                        path.unlink()
                        removed += 1
        return removed

    def policy(self, fields: dict[str, str]) -> UploadPolicy:
        """What a form of presign_upload permits now. LinkInvalid unless it is exactly as issued."""
        token = fields.get("policy", "")
        policy = self._links.upload_policy(token)
        if fields != _fields(policy.key, policy.content_type, token):
            raise LinkInvalid("the form's fields are not those that were issued")
        return policy

    def permit(self, token: str) -> DownloadPermit:
        """What the last part of a url() permits now. LinkInvalid."""
        return self._links.download_permit(token)

    def start(self, size: int) -> PendingFile:
        """A new file for at most `size` bytes whose key is decided later. StorageUnavailable."""
        outside.leave(CALL)
        with _trouble():
            self._require_space(size)
            handle, path = tempfile.mkstemp(dir=self._incoming)
            return PendingFile(os.fdopen(handle, "w+b"), Path(path), self._objects)

    def find(self, key: str) -> StoredFile:
        """The object as a file of this machine. ObjectMissing, StorageUnavailable."""
        return self._reached(key, lambda path: StoredFile(path, path.stat()))

    def _reached(self, key: str, reach: Callable[[Path], Reached]) -> Reached:
        """What `reach` makes of the object's file. ObjectMissing, StorageUnavailable."""
        outside.leave(CALL)
        path = _path(self._objects, key)
        with _trouble():
            try:
                return reach(path)
            except FileNotFoundError:
                earlier.convert(path)
            try:
                return reach(path)
            except FileNotFoundError as error:
                self._require_disk()
                raise ObjectMissing(key) from error

    def _require_disk(self) -> None:
        """An object not found while the disk is missing may well exist."""
        if not self._objects.is_dir():
            raise StorageUnavailable("the folder of all objects is missing")

    def _require_space(self, size: int) -> None:
        disk = os.statvfs(self._incoming)
        if disk.f_bavail * disk.f_frsize < RESERVE_BYTES + size:
            raise StorageUnavailable(f"less than {RESERVE_BYTES} bytes would be free")


def _fields(key: str, content_type: str, token: str) -> dict[str, str]:
    return {"Content-Type": content_type, "key": key, "policy": token}


class _Reader(io.FileIO):
    """A file whose disk may fail while it is read."""

    def readinto(self, buffer: Any) -> int:
        with _trouble():
            return super().readinto(buffer)


@contextlib.contextmanager
def _trouble() -> Iterator[None]:
    """Any file system error is a temporary failure: the disk is full, read-only or broken."""
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(f"{error.strerror} (errno {error.errno})") from error


def _path(folder: Path, key: str) -> Path:
    return _file(folder, _name(key))


def _name(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8")).hexdigest()


def _file(folder: Path, name: str) -> Path:
    return folder / name[:2] / name[2:4] / f"{name}.data"


def _secret(path: Path) -> bytes:
    """32 random bytes, created by whichever process comes first and read by all.

    A hard link appears complete or not at all and never replaces: nobody can read a half-written
    key, and of two processes that start at once the second uses the first one's key.
    """
    if not path.exists():
        handle, made = tempfile.mkstemp(dir=path.parent)  # readable by us alone
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(32))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(made, path)
        os.unlink(made)
        sync_folder(path.parent)
    return path.read_bytes()
