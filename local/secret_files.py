"""Secrets of this machine, each in a file that only its user can read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def remembered(file: Path, choose: Callable[[], str]) -> str:
    """The text of `file`; chosen and written at the first call, whole or not at all."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(".draft")
        descriptor = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with open(descriptor, "w") as fresh:
            fresh.write(choose())
        draft.rename(file)
    return file.read_text()
