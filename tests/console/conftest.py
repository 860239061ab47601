"""The console with an operator of each role, and clients that fill in its forms."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.console.browsing import World, world


@pytest.fixture(scope="module")
def console(database: str) -> Iterator[World]:
    """A console in this process, on the database of the module."""
    with world() as opened:
        yield opened
