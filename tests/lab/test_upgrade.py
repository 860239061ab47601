"""`make upgrade-drill` in short: no customer notices that the last release is replaced."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.upgrade.run import Drill
from local.postgres import throwaway


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder where the database may run as another user."""
    with throwaway.state_folder("upgrade") as made:
        monkeypatch.setenv("TMPDIR", str(made / "system/work"))
        yield made


def test_no_customer_notices_an_upgrade_from_the_last_release(folder: Path) -> None:
    report = Drill(folder, seed=7, customers=2, workers=1, back=False).report()
    assert report.losses == []
    assert all(phase.operations for phase in report.phases)
    assert report.phases[-1].name.startswith("this code on schema")
