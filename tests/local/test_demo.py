"""`make demo` itself: the whole story, as a newcomer runs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import demo
from local.postgres import throwaway
from tests.wire import ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Not var/demo, where somebody may want to keep their results."""
    yield tmp_path / "demo"
    # Where root's data had to go elsewhere, pytest does not find it.
    throwaway.remove(tmp_path / "demo/state/postgres")


def test_the_demo_tells_its_story_and_leaves_a_video_and_a_photo(folder: Path) -> None:
    command = [sys.executable, "-m", "local.demo", "--folder", str(folder)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=380)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert (folder / demo.VIDEO).exists()
    assert (folder / demo.RESTORED).exists()
    for step in (
        "replayed",
        "waiting_payment",
        "the webhook came",
        "rewarded once",
        "1 paid",
        "the same winner",
        "made by sandbox-kling-2.5-replicate",
        "replicate has no credit any more",
        "made by sandbox-kling-2.5-fal",
    ):
        assert step in ended.stdout
