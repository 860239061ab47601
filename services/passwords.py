"""Passwords of operators: how long they must be, and how they are kept."""

from __future__ import annotations

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

LENGTHS = range(12, 201)
# OWASP, Password Storage Cheat Sheet: 19 MiB and two passes. More memory would let a few logins at
# once hurt a small machine.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hashed(password: str) -> str:
    """What is kept of a password. ValueError for one that is too short or too long."""
    if len(password) not in LENGTHS:
        raise ValueError(f"a password has {LENGTHS[0]} to {LENGTHS[-1]} characters")
    return _HASHER.hash(password)


def matches(password: str, kept: str | None) -> bool:
    """Whether this is the password. Without one to compare with it takes as long, and is not."""
    try:
        return _HASHER.verify(kept or _nobodys(), password) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(kept: str) -> bool:
    """Whether a password was kept with other parameters than today's."""
    return _HASHER.check_needs_rehash(kept)


@cache
def _nobodys() -> str:
    return _HASHER.hash("of an operator who does not exist")
