"""Operations that documents name are those of the contract."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spec import CONTRACT
from spec.operations import operations_of
from tests.house.code import ROOT
from tests.house.documents import DOCUMENTS

NAMED = re.compile(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`\s?]*)[^`]*`")
# Control endpoints of the sandbox look similar, but are not part of the contract.
SANDBOX = ROOT / "docs/sandbox.md"
LEVERS = re.compile(r"^## Sandbox$.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
OPERATIONS = [
    (each.method, re.sub(r"\{\w+\}", "[^/]+", each.path)) for each in operations_of(CONTRACT)
]


def unknown(text: str) -> list[str]:
    """Those that are not in the contract; the prefix of all paths may be left out."""
    return [
        f"{method} {path}"
        for method, path in NAMED.findall(text)
        if not any(
            method == known and re.fullmatch(pattern, f"/api/v1{path.removeprefix('/api/v1')}")
            for known, pattern in OPERATIONS
        )
    ]


@pytest.mark.parametrize(
    "document",
    [path for path in DOCUMENTS if path != SANDBOX],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_an_operation_that_a_document_names_is_in_the_contract(document: Path) -> None:
    assert unknown(LEVERS.sub("", document.read_text("utf-8"))) == []


def test_a_wrong_operation_is_found() -> None:
    known = "`POST /jobs`, `GET /api/v1/jobs/{jobId}`, `GET /jobs?userId=7`"
    assert unknown(f"{known}, `DELETE /jobs`, `POST /job`") == ["DELETE /jobs", "POST /job"]
