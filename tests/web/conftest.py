"""Servers with stub handlers, one for each way of handling a wrong answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import wire


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[wire.Server]:
    """A server that fails requests whose answer violates the contract, as in all tests."""
    with wire.serve("tests.stubs:create()", tmp_path_factory.mktemp("strict")) as running:
        yield running


@pytest.fixture(scope="session")
def lenient_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[wire.Server]:
    """A server that counts and logs wrong answers, as in production."""
    folder = tmp_path_factory.mktemp("lenient")
    with wire.serve("tests.stubs:create()", folder, ENVIRONMENT="development") as running:
        yield running
