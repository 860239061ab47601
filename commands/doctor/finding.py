"""What a check says."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """One line. fix: what to do, where something is not as it should be."""

    level: Literal["OK", "WARN", "FAIL"]
    what: str
    says: str
    fix: str = ""


def judged(what: str, says: str, *, fail: bool = False, warn: bool = False, fix: str) -> Finding:
    """FAIL or WARN with the fix where one of them holds, else OK without."""
    level: Literal["OK", "WARN", "FAIL"] = "FAIL" if fail else "WARN" if warn else "OK"
    return Finding(level, what, says, fix if fail or warn else "")
