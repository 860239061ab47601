"""Verdicts: a judge returns a line when it found nothing, and raises FoundError otherwise."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = ROOT / "lab/judge"
WORK = ROOT / "var/judge"
CONTRACT = ROOT / "spec/openapi.yaml"
TOOL_SECONDS = 180


class FoundError(Exception):
    """A judge found something; the text says what."""


def insist(fact: bool, finding: str) -> None:
    """FoundError unless `fact`."""
    if not fact:
        raise FoundError(finding)


def run_tool(
    *command: str | Path,
    folder: Path = ROOT,
    changes: Mapping[str, str] | None = None,
    seconds: float = TOOL_SECONDS,
) -> str:
    """Run a tool; its output. FoundError when its exit code is not 0 or it takes too long."""
    try:
        ended = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **(changes or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise FoundError(f"{command[0]} took more than {seconds:.0f} s") from error
    insist(ended.returncode == 0, ended.stdout.strip())
    return ended.stdout
