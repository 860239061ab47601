"""Only photos that their own credits call free may reach the training."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from lab.training import pictures
from lab.training.pictures import credited_as_free
from lab.training.qt_resource import resource_files
from lab.training.sources import Source

SMALL = cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1].tobytes()
CREDITS = """Copyright: Somebody
Source: a page
License: CC0-1.0
Files:
free.webp
also.webp

Copyright: Somebody else
License: CC-BY-SA-4.0
Files: shared.webp

License: Public Domain
Comment: the mill of old.webp is another
Files:
mill.webp
absent.webp
"""


def packed(content: bytes) -> bytes:
    """A resource (format 1) with one folder `a` that holds one file `b`."""
    names = b"".join(struct.pack(">HI", 1, 0) + text.encode("utf-16-be") for text in "ab")
    data = struct.pack(">I", len(content)) + content
    tree = struct.pack(">IHII", 0, 2, 1, 1)  # the root
    tree += struct.pack(">IHII", 0, 2, 1, 2)  # a
    tree += struct.pack(">IHHHI", 8, 0, 0, 0, 0)  # a/b
    at = 20
    header = struct.pack(">4sIIII", b"qres", 1, at, at + len(tree), at + len(tree) + len(data))
    return header + tree + data + names


def test_only_photos_credited_as_cc0_or_public_domain_are_taken() -> None:
    present = ("free", "also", "shared", "mill", "unnamed", "old")
    held = {f"/x/{name}.webp": b"" for name in present} | {"/x/README": CREDITS.encode()}
    assert credited_as_free(held) == ["/x/also.webp", "/x/free.webp", "/x/mill.webp"]


def test_a_file_is_read_out_of_a_qt_resource() -> None:
    assert dict(resource_files(packed(b"content"))) == {"/a/b": b"content"}


def test_another_kind_of_file_is_refused() -> None:
    with pytest.raises(ValueError, match="not a Qt"):
        resource_files(b"\x89PNG" + bytes(40))


def test_a_collection_that_was_interrupted_is_completed(tmp_path: Path) -> None:
    """Half of the pictures would train a net that nobody means to have."""
    held = tmp_path / "packages" / "a"  # as if it had been fetched
    held.mkdir(parents=True)
    (held / "first.png").write_bytes(SMALL)
    source = Source("a", "pip", "", ("first.png", "second.png"), "CC0", "", 1)
    with pytest.raises(FileNotFoundError):
        pictures.collect(tmp_path, (source,))
    assert len(pictures.read(tmp_path)) == 1
    (held / "second.png").write_bytes(SMALL)
    pictures.collect(tmp_path, (source,))
    assert len(pictures.read(tmp_path)) == 2
    nowhere = Source("nowhere", "npm", "", ("third.png",), "CC0", "", 1)
    pictures.collect(tmp_path, (nowhere,))  # whoever has all fetches nothing
