"""`make test-stability` tells what happened: a failure, an error and a run that never ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.stability import runs
from lab.stability.report import NO_REPORT, Outcome, markdown, read

REPORT = """<?xml version="1.0"?>
<testsuites><testsuite tests="4" failures="1" errors="1" skipped="1">
<testcase classname="tests.a" name="test_fine" time="0.1" />
<testcase classname="tests.a" name="test_wrong"><failure message="assert 1 == 2" /></testcase>
<testcase classname="tests.b" name="test_broken"><error message="no server" /></testcase>
<testcase classname="tests.b" name="test_left_out"><skipped /></testcase>
</testsuite></testsuites>
"""


def test_a_report_is_read(tmp_path: Path) -> None:
    (tmp_path / "run-2.xml").write_text(REPORT)
    outcome = read(tmp_path, 2, loops=2, seconds=9.6)
    assert outcome == Outcome(2, 2, 9.6, 4, ["tests.a.test_wrong", "tests.b.test_broken"])
    assert outcome.summary == "4 tests in 10 s, failed: tests.a.test_wrong, tests.b.test_broken"


@pytest.mark.parametrize("report", [None, "", "<testsuites><testsuite></testsuite></testsuites>"])
def test_a_run_without_a_report_or_tests_has_failed(tmp_path: Path, report: str | None) -> None:
    if report is not None:
        (tmp_path / "run-1.xml").write_text(report)
    assert read(tmp_path, 1, loops=0, seconds=1).failures == [NO_REPORT]


def test_the_table_has_each_run_and_who_failed_how_often() -> None:
    text = markdown(
        [
            Outcome(1, 0, 300, 9, []),
            Outcome(2, 2, 500, 9, ["tests.a.test_wrong"]),
            Outcome(3, 0, 301, 9, ["tests.a.test_wrong"]),
        ]
    )
    assert "3 runs of `make test` in a row.\n**2 failures in 27 tests.**" in text
    assert "| 1 | quiet | 9 | 0 | 300 |\n| 2 | 2 busy loops | 9 | 1 | 500 |" in text
    assert text.endswith("| tests.a.test_wrong | 2 |")


def test_a_run_is_bounded_and_leaves_its_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "FOLDER", tmp_path)
    few = ("--numprocesses=0", "tests/house/test_words.py")
    assert runs.run_tests(1, few, limit_seconds=120) > 0
    assert read(tmp_path, 1, loops=0, seconds=1).failures == []
    runs.run_tests(2, few, limit_seconds=0)
    assert read(tmp_path, 2, loops=0, seconds=1).failures == [NO_REPORT]
    with runs.keep_busy(1) as busy:
        busy.wait_until(lambda: busy.processes()[0].cpu_times().user > 0.1, 60)
