"""A part of `make chaos` that ends although nobody stopped it is found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.chaos.system import Part
from local.processes import Program
from local.stack import Stack
from tests.wire import wait_until

ENDS = Program("brief", ("-c", "raise SystemExit(3)"), stop_seconds=5)
STAYS = Program("patient", ("-c", "import time; time.sleep(60)"), stop_seconds=5)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack of which nothing runs yet."""
    made = Stack(tmp_path, port=0, programs=())
    made.logs.mkdir(parents=True)
    yield made
    made.stop()


def test_a_part_that_ended_by_itself_is_found_once(stack: Stack) -> None:
    part = Part(stack, stack.launch(ENDS))
    wait_until(part.has_ended)
    assert part.up_seconds == 0
    assert not part.has_ended()
    assert stack.children == []


def test_a_part_that_runs_or_was_killed_did_not_end_by_itself(stack: Stack) -> None:
    part = Part(stack, stack.launch(STAYS))
    assert not part.has_ended()
    part.kill()
    assert not part.has_ended()
    part.restart()
    assert not part.has_ended() and part.up_seconds > 0
