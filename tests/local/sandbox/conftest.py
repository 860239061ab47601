"""A sandbox and a shop's webhook of their own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.payment_world import Sandbox, Shop, payment_sandbox, shop_webhook


@pytest.fixture
def world() -> Iterator[Sandbox]:
    with payment_sandbox() as opened:
        yield opened


@pytest.fixture
def shop() -> Iterator[Shop]:
    with shop_webhook() as opened:
        yield opened
