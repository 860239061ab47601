"""Objects of the format before today's are delivered without their trailer, whatever interrupts."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from providers.storage import ObjectMissing, StorageUnavailable, earlier
from providers.storage.disk import DiskStorage
from tests import wire
from tests.threads import at_once

ROOT = Path(__file__).parents[3]
KEY = "image/1.jpeg"
PHOTO = bytes(range(256)) * 40
# An upload may end in what looks like a trailer: only its name tells the format of a file.
LIKE_A_TRAILER = PHOTO + b"image/jpeg".ljust(earlier.TRAILER_BYTES)


@pytest.fixture
def store(tmp_path: Path) -> DiskStorage:
    return DiskStorage(tmp_path, base_url="http://h/storage")


def store_earlier(root: Path, content: bytes, key: str = KEY) -> Path:
    """A file as the earlier version left it."""
    name = hashlib.sha256(key.encode()).hexdigest()
    path = root / "objects" / name[:2] / name[2:4] / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content + b"image/jpeg".ljust(128))
    return path


def read(store: DiskStorage) -> bytes:
    with store.open(KEY) as file:
        return file.read()


def files_in(root: Path) -> list[Path]:
    return sorted(path for path in (root / "objects").rglob("*") if path.is_file())


@pytest.mark.parametrize("content", [b"", PHOTO, LIKE_A_TRAILER], ids=["empty", "photo", "twice"])
def test_an_earlier_object_is_read_without_its_trailer(
    store: DiskStorage, tmp_path: Path, content: bytes
) -> None:
    store_earlier(tmp_path, content)
    head = store.head(KEY)
    assert head is not None and head.size == len(content)
    assert [read(store), read(store)] == [content, content]
    [file] = files_in(tmp_path)
    assert file.read_bytes() == content


def test_an_object_of_today_keeps_what_looks_like_a_trailer(store: DiskStorage) -> None:
    store.put(KEY, io.BytesIO(LIKE_A_TRAILER), content_type="image/jpeg")
    assert read(store) == LIKE_A_TRAILER


def test_an_earlier_object_is_downloaded_as_it_was_sent(storing: wire.Server) -> None:
    store_earlier(storing.state_dir / "files", PHOTO, "image/old.jpeg")
    store = DiskStorage(storing.state_dir / "files", base_url="/storage")
    url = store.url("image/old.jpeg", expires_in=60, content_type="image/jpeg")
    part = storing.request("GET", url, b"", {"Range": "bytes=-5"}, key=None)
    assert (part.status, part.body) == (206, PHOTO[-5:])
    whole = storing.request("GET", url, key=None)
    assert (whole.status, whole.body) == (200, PHOTO)


def test_a_new_upload_replaces_an_earlier_object(store: DiskStorage, tmp_path: Path) -> None:
    store_earlier(tmp_path, PHOTO)
    store.put(KEY, io.BytesIO(b"new"), content_type="image/jpeg")
    assert read(store) == b"new"
    store.delete(KEY)
    assert store.head(KEY) is None
    assert files_in(tmp_path) == []


def test_an_earlier_object_is_deleted_unread(store: DiskStorage, tmp_path: Path) -> None:
    store_earlier(tmp_path, PHOTO)
    store.delete(KEY)
    assert files_in(tmp_path) == []
    with pytest.raises(ObjectMissing):
        read(store)


def test_many_readers_at_once_get_the_whole_object(store: DiskStorage, tmp_path: Path) -> None:
    for _ in range(20):
        store_earlier(tmp_path, PHOTO)
        assert at_once(lambda: read(store), 8) == [PHOTO] * 8
        store.delete(KEY)


def test_what_is_deleted_while_it_is_first_read_stays_deleted(
    store: DiskStorage, tmp_path: Path
) -> None:
    def look() -> None:
        store.head(KEY)

    for _ in range(100):
        store_earlier(tmp_path, PHOTO)
        reader = threading.Thread(target=look)
        reader.start()
        store.delete(KEY)
        reader.join()
        assert files_in(tmp_path) == []


# Stops a process, as kill -9 does, at its `number`th call that changes the disk.
KILLED = """
import os, sys
from pathlib import Path
from providers.storage.disk import DiskStorage

store = DiskStorage(Path(sys.argv[1]), base_url="http://h")
left = int(sys.argv[2])

def deadly(call):
    def counted(*arguments, **options):
        global left
        if left == 0:
            os._exit(9)
        left -= 1
        return call(*arguments, **options)
    return counted

for name in ("rename", "ftruncate", "fsync", "link", "unlink"):
    setattr(os, name, deadly(getattr(os, name)))
store.head(sys.argv[3])
"""


def killed_after(root: Path, steps: int) -> bool:
    command = [sys.executable, "-c", KILLED, str(root), str(steps), KEY]
    return subprocess.run(command, cwd=ROOT, check=False, timeout=30).returncode == 9


def test_a_kill_between_any_two_steps_loses_nothing(tmp_path: Path) -> None:
    steps = 0
    while True:
        root = tmp_path / str(steps)
        store_earlier(root, LIKE_A_TRAILER)
        was_killed = killed_after(root, steps)
        store = DiskStorage(root, base_url="http://h")
        assert read(store) == LIKE_A_TRAILER, steps
        store.delete(KEY)
        assert files_in(root) == [], steps
        if not was_killed:
            break
        steps += 1
    assert steps >= 6


def test_a_file_cut_to_nothing_is_trouble_and_not_a_crash(
    store: DiskStorage, tmp_path: Path
) -> None:
    os.truncate(store_earlier(tmp_path, PHOTO), 5)
    with pytest.raises(StorageUnavailable):
        store.head(KEY)
