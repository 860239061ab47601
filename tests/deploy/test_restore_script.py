"""deploy/backup/restore.sh where something goes wrong; tests/lab/restore has what goes well."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.wire import ROOT

BACKED_UP = """#!/bin/sh
case "$*" in *info*) echo '[{"status":{"code":0,"message":"ok"}}]' ;; *) %s ;; esac
"""
# A PostgreSQL that ends before it takes writes.
ENDS = """sh -c 'echo $$ >"$PGDATA/postmaster.pid"; exec sleep 1' >/dev/null 2>&1 &"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with something in it, whose path has a space."""
    folder = tmp_path / "a folder" / "data"
    folder.mkdir(parents=True)
    (folder / "PG_VERSION").write_text("18")
    return folder


def restore(data: Path, moment: str, pgbackrest: str = "exit 1") -> tuple[int, str]:
    """Exit code and all that was said. pgbackrest: what its restore does."""
    program = data.parent.parent / "pgbackrest"
    program.write_text(BACKED_UP % pgbackrest)
    program.chmod(0o700)
    path = f"{program.parent}:{os.environ['PATH']}"
    environ = os.environ | {"PATH": path, "PGDATA": str(data), "START": ENDS}
    command = ["bash", str(ROOT / "deploy/backup/restore.sh"), moment]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    return ended.returncode, ended.stdout + ended.stderr


def test_a_database_that_does_not_come_up_leaves_the_old_one_and_says_where(data: Path) -> None:
    code, said = restore(data, "2026-01-01 03:00:00+03:00", 'touch "$PGDATA/half"')
    assert code == 1 and "PostgreSQL has ended" in said
    (aside,) = data.parent.glob("data.before-restore-*")
    assert (aside / "PG_VERSION").read_text() == "18"
    assert said.splitlines()[-1] == f"not restored; what was in {data} is in {aside}"


@pytest.mark.parametrize("ends", ["exit 1", "kill -INT $PPID"])
def test_a_restore_that_did_not_begin_puts_the_old_one_back(data: Path, ends: str) -> None:
    code, said = restore(data, "2026-01-01T00:00:00Z", ends)
    assert code != 0
    assert [each.name for each in data.parent.iterdir()] == ["data"], said
    assert (data / "PG_VERSION").read_text() == "18"


def test_what_is_no_moment_of_the_past_changes_nothing(data: Path) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    for moment in (
        soon.isoformat(sep=" ", timespec="seconds"),
        "2026-01-01 03:00:00",
        "2026-13-41 03:00:00Z",
        "yesterday",
    ):
        code, said = restore(data, moment)
        assert code == 2 and "refused: " in said, said
    assert [each.name for each in data.parent.iterdir()] == ["data"]
