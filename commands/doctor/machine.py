"""Versions, settings, and the disk of this machine."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator

import settings
from commands.doctor.finding import Finding, judged
from spec import CONTRACT

LEAST_FREE, FEW_FREE = 0.03, 0.1


def look() -> Iterator[Finding]:
    """What needs nothing but this machine."""
    current = settings.load()
    version = CONTRACT["info"]["version"]
    yield Finding("OK", "versions", f"Python {platform.python_version()}, contract {version}")
    missing = settings.missing_for_production(current)
    says = "ready for production" if not missing else f"{len(missing)} missing for production"
    fix = "python cli.py settings names them"
    yield judged("settings", says, warn=bool(missing), fix=fix)
    if current.state_dir.is_dir():
        disk = shutil.disk_usage(current.state_dir)
        free = disk.free / disk.total
        yield judged(
            "disk",
            f"{disk.free / 2**30:.1f} GiB free of {disk.total / 2**30:.1f} at {current.state_dir}",
            fail=free < LEAST_FREE,
            warn=free < FEW_FREE,
            fix="make room: photos are stored and spooled there",
        )
