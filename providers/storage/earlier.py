"""Objects that an earlier version stored: `<hash>` without a suffix, the content followed by
TRAILER_BYTES of content type, which nothing ever read.

They become objects of today when they are first asked for. Nothing is copied: that would take
space, and time for a video. This module can go when no folder has a file without a suffix.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from providers.storage.folders import sync_folder

TRAILER_BYTES = 128


def convert(target: Path) -> None:
    """Make what is stored in the earlier format under the name of `target`, if anything, `target`.

    A process may be killed between any two steps, and several may be at it: the name of the middle
    step tells the size, so cutting again changes nothing. A file that has since been written to
    `target` stays. OSError.
    """
    earlier = _earlier(target)
    with contextlib.suppress(FileNotFoundError):
        size = earlier.stat().st_size - TRAILER_BYTES
        earlier.rename(target.with_suffix(f".{size}.cut"))
        sync_folder(target.parent)
    for cut in _being_cut(target):
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            _truncate(cut, int(cut.name.split(".")[1]))
            os.link(cut, target)
            sync_folder(target.parent)
        cut.unlink(missing_ok=True)


def remove(target: Path) -> None:
    """Remove what convert() would turn into `target`, before `target` itself is removed.

    In the order in which convert() goes on, so that nothing comes back behind our back.
    """
    _earlier(target).unlink(missing_ok=True)
    for cut in _being_cut(target):
        cut.unlink(missing_ok=True)


def _earlier(target: Path) -> Path:
    return target.with_suffix("")


def _being_cut(target: Path) -> Iterator[Path]:
    return target.parent.glob(f"{target.stem}.*.cut")


def _truncate(path: Path, size: int) -> None:
    handle = os.open(path, os.O_WRONLY)
    try:
        os.ftruncate(handle, size)
        os.fsync(handle)
    finally:
        os.close(handle)
