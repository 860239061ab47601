"""How `make audit` reads a report; the advisories themselves are on the internet."""

from __future__ import annotations

from lab.judge.audit import PINNED, found
from tests.house.code import ROOT

SOUND = {"name": "flask", "version": "3.1.3", "vulns": []}
FLAWED = {
    "name": "pillow",
    "version": "9.0.0",
    "vulns": [
        {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["9.0.1", "10.0"]},
        {"id": "PYSEC-2", "aliases": [], "fix_versions": []},
    ],
}
SKIPPED = {"name": "odd", "skip_reason": "unknown there"}


def test_each_flaw_is_a_line_with_its_fixed_versions() -> None:
    assert list(found({"dependencies": [SOUND]})) == []
    assert list(found({"dependencies": [SOUND, FLAWED]})) == [
        "pillow 9.0.0: PYSEC-1 CVE-1; fixed in 9.0.1, 10.0",
        "pillow 9.0.0: PYSEC-2; fixed in no version",
    ]


def test_a_package_that_was_not_looked_up_is_reported() -> None:
    (line,) = found({"dependencies": [SKIPPED]})
    assert "odd was not looked up" in line


def test_every_lock_with_hashes_is_audited() -> None:
    """requirements/dev.txt has all lines of the two smaller files."""
    names = {
        name: {line.split()[0] for line in (ROOT / name).read_text().splitlines() if "==" in line}
        for name in (*PINNED, "requirements/server.txt", "requirements/local.txt")
    }
    assert names["requirements/server.txt"] | names["requirements/local.txt"] <= names[PINNED[0]]
    locks = {
        str(path.relative_to(ROOT))
        for pattern in ("requirements/*.txt", "lab/*/*.txt")
        for path in ROOT.glob(pattern)
        if "--hash=" in path.read_text("utf-8")
    }
    assert locks == names.keys()
