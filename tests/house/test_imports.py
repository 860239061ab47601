"""Each import rule of setup.cfg is tested against a line that breaks it; `make lint` runs them."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = (
    *("commands", "db", "handlers", "lab", "local", "providers", "services", "settings"),
    *("spec", "web", "worker", "workflows"),
)

# contract of setup.cfg: (file, a line that must not be written there)
VIOLATIONS = {
    "rooms": ("services/tariffs.py", "import providers"),
    "settings": ("settings/fields.py", "from settings.rules import configured"),
    "outside": ("providers/__init__.py", "from db import transaction"),
    "doors": ("handlers/pagination.py", "import cli"),
    "server": ("services/tariffs.py", "import flask"),
    "network": ("handlers/tariffs.py", "import requests"),
    "queries": ("handlers/tariffs.py", "from sqlalchemy import select"),
    "tables": ("handlers/tariffs.py", "from db.models import Tariff"),
    "sandbox": ("local/sandbox/telegram/__init__.py", "import settings, services.ledger"),
    "chaos": ("lab/chaos/customers.py", "from services import ledger"),
}
# An arrow that runs upward, for each room that has one above it.
UPWARD = {
    "local/stack.py": "import lab.chaos",
    "web/app.py": "from local import stack",
    "db/session.py": "from local.postgres import embedded",
    "handlers/ops.py": "from web import bridge",
    "workflows/checkout.py": "import handlers.payments",
    "spec/loading.py": "import web.app",
}
# The modules at the root are no packages, which import-linter cannot see: what each may import.
ROOT_MODULES = {
    "cli": {"commands", "db", "errors", "services", "settings"},
    "errors": set(),
    "gunicorn.conf": {"handlers", "logs", "settings", "web"},
    "logs": set(),
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
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", *options]
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


@pytest.mark.parametrize("file", UPWARD)
def test_an_arrow_that_runs_upward_is_caught(file: str, tree: Path) -> None:
    with (tree / file).open("a") as source:
        source.write(f"\n{UPWARD[file]}\n")
    assert lint(tree, "--contract", "rooms").returncode == 1


def test_the_modules_at_the_root_import_only_what_they_may() -> None:
    modules = {
        file.name.removesuffix(".py"): ast.parse(file.read_text()) for file in ROOT.glob("*.py")
    }
    ours = {*ROOMS, *modules}
    imported = {
        name: {each for node in ast.walk(tree) for each in _imported(node) if each in ours}
        for name, tree in modules.items()
    }
    assert {name: found - ROOT_MODULES[name] for name, found in imported.items()} == {
        name: set() for name in ROOT_MODULES
    }


def _imported(node: ast.AST) -> list[str]:
    """Top-level names of what a statement imports."""
    if isinstance(node, ast.ImportFrom):
        return [(node.module or "").partition(".")[0]]
    if isinstance(node, ast.Import):
        return [each.name.partition(".")[0] for each in node.names]
    return []
