"""Each import rule of setup.cfg is tested against a line that breaks it; `make lint` runs them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = (
    "commands",
    "handlers",
    "services",
    "providers",
    "spec",
    "db",
    "images",
    "sandbox",
    "chaos",
)

# contract of setup.cfg: (file, a line that must not be written there)
VIOLATIONS = {
    "rooms": ("services/tariffs.py", "import providers"),
    "outside": ("providers/__init__.py", "from db import transaction"),
    "entry": ("handlers/pagination.py", "import app"),
    "web": ("services/tariffs.py", "import flask"),
    "network": ("handlers/tariffs.py", "import requests"),
    "queries": ("handlers/tariffs.py", "from sqlalchemy import select"),
    "tables": ("handlers/tariffs.py", "from db.models import Tariff"),
    "sandbox": ("sandbox/telegram/__init__.py", "import settings, services.ledger"),
    "chaos": ("chaos/customers.py", "from services import ledger"),
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the code that a test may change."""
    for room in ROOMS:
        for file in (ROOT / room).rglob("*.py"):
            copy = tmp_path / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
    shutil.copyfile(ROOT / "setup.cfg", tmp_path / "setup.cfg")
    return tmp_path


def lint(tree: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Output of lint-imports for the code in `tree`."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", *options]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=60)


def test_every_contract_is_tried() -> None:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    contracts = {s.rpartition(":")[2] for s in config.sections() if "importlinter:" in s}
    assert contracts == set(VIOLATIONS)


@pytest.mark.parametrize("contract", VIOLATIONS)
def test_a_planted_import_is_caught(contract: str, tree: Path) -> None:
    file, line = VIOLATIONS[contract]
    assert lint(tree, "--contract", contract).returncode == 0
    with (tree / file).open("a") as source:
        source.write(f"\n{line}\n")
    broken = lint(tree, "--contract", contract)
    assert broken.returncode == 1, broken.stdout + broken.stderr
    assert "1 broken" in broken.stdout
