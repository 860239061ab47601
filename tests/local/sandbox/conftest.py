"""A sandbox and a shop's webhook of their own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.payment_world import Sandbox, Shop, payment_sandbox, shop_webhook


@pytest.fixture
def world() -> Iterator[Sandbox]:
    with payment_sandbox() as opened:
        yield opened


@pytest.fixture
def shop() -> Iterator[Shop]:
    with shop_webhook() as opened:
        yield opened


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture that every model accepts."""
    path = tmp_path_factory.mktemp("photo") / "photo.jpg"
    Image.linear_gradient("L").resize((480, 360)).convert("RGB").save(path)
    return path
