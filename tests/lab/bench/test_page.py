"""Results are written between their comments in docs/quality.md, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.bench.page import PAGE, put

SECTIONS = ("judge", "stability", "chaos", "bench", "files", "engine", "events", "scale")


@pytest.fixture
def page(tmp_path: Path) -> Path:
    copy = tmp_path / "quality.md"
    copy.write_text(PAGE.read_text("utf-8"), "utf-8")
    return copy


@pytest.mark.parametrize("name", SECTIONS)
def test_each_section_can_be_renewed_any_number_of_times(page: Path, name: str) -> None:
    before = page.read_text("utf-8")
    for text in (r"a \1 figure", "another one"):
        put(name, text, page=page)
        assert text in page.read_text("utf-8")
    after = page.read_text("utf-8")
    head, tail = after.split("another one")
    assert before.startswith(head) and before.endswith(tail)
    assert r"a \1 figure" not in after


def test_a_missing_place_is_told(page: Path) -> None:
    before = page.read_text("utf-8")
    with pytest.raises(LookupError, match="no place for weather"):
        put("weather", "sunny", page=page)
    assert page.read_text("utf-8") == before
