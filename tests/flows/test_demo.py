"""`make demo` itself: the whole story, as a stranger plays it first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import demo

ROOT = Path(__file__).parents[2]


def test_the_demo_tells_its_story_and_leaves_a_video_and_a_photo() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "demo"], cwd=ROOT, capture_output=True, text=True, timeout=170
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert demo.VIDEO.exists()
    assert demo.RESTORED.exists()
    for step in (
        "replayed",
        "waiting_payment",
        "the webhook came",
        "rewarded once",
        "1 paid",
        "the same winner",
    ):
        assert step in told.stdout
