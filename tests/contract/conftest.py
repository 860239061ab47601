"""The contract as it stands and the contract as the bot's author gave it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

CONTRACT = Path(__file__).parents[2] / "spec/openapi.yaml"
GIVEN = Path(__file__).with_name("given_inventory.json")


@pytest.fixture(scope="session")
def contract() -> dict[str, Any]:
    """spec/openapi.yaml; not to be changed by a test."""
    document: dict[str, Any] = yaml.safe_load(CONTRACT.read_text("utf-8"))
    return document


@pytest.fixture(scope="session")
def given() -> dict[str, Any]:
    """What the first contract promised: operations by operationId, and components."""
    inventory: dict[str, Any] = json.loads(GIVEN.read_text("utf-8"))
    return inventory
