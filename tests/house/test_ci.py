"""What `.ci/run` prints at its end, with a `make` that only prints."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.house.code import ROOT

FAKE = """\
#!/bin/sh
case $1 in
test) printf '%s\\n' "$PYTEST"; exit "$RESULT";;
fuzz) echo '==== 2 warnings in 30.12s ====';;
esac
"""


def closing_lines(folder: Path, pytest_says: str, result: int = 0) -> tuple[int, list[str]]:
    """Exit code and output of the script when `make test` ends in this way."""
    make = folder / "make"
    make.write_text(FAKE, "utf-8")
    make.chmod(0o755)
    # They are there already, so that none is installed.
    for program in ("chromium", "pgbouncer", "promtool", "pgbackrest", "nginx"):
        (folder / program).write_text("")
        (folder / program).chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", ROOT / ".ci/run"],
        env=os.environ | {"PATH": path, "PYTEST": pytest_says, "RESULT": str(result)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize(
    ("pytest_says", "line"),
    [
        ("===== 1234 passed in 321.09s (0:05:21) =====", "1234 passed, 0 failed"),
        ("===== 7 passed, 2 skipped, 1 warning in 9.87s =====", "7 passed, 0 failed, 2 skipped"),
        ("== 1 passed, 3 xfailed, 4 xpassed in 1.0s ==\n5 skipped by others", "1 passed, 0 failed"),
    ],
)
def test_the_last_line_counts_the_tests(tmp_path: Path, pytest_says: str, line: str) -> None:
    code, lines = closing_lines(tmp_path, pytest_says)
    assert (code, lines[-1]) == (0, line)


@pytest.mark.parametrize(
    ("pytest_says", "result"),
    [
        ("===== 1 failed, 9 passed in 1.00s =====", 2),
        ("===== no tests ran in 0.01s =====", 0),
        ("===== 3 skipped in 0.01s =====", 0),
        ("", 0),
    ],
)
def test_a_run_without_success_says_so_and_fails(
    tmp_path: Path, pytest_says: str, result: int
) -> None:
    code, lines = closing_lines(tmp_path, pytest_says, result)
    assert code == 1
    assert lines[-1].startswith("=== tests FAILED")
