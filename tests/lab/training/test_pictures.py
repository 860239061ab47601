"""Only photos that their own credits call free may reach the training."""

import struct

import pytest

from lab.training.pictures import credited_as_free
from lab.training.qt_resource import resource_files

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
