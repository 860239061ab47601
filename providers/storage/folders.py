"""Folders that survive a power cut."""

from __future__ import annotations

import os
from pathlib import Path


def make_folders(folder: Path, top: Path) -> None:
    """Create `folder` below `top`; a folder's entry is durable once its parent is synced."""
    if folder == top or folder.is_dir():
        return
    make_folders(folder.parent, top)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable. OSError."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
