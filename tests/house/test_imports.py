"""Each import rule of setup.cfg is tested against a line that breaks it; `make lint` runs them."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.house.code import ROOMS, ROOT

FOLDERS = (*ROOMS, "lab")

# contract of setup.cfg: (file, a line that must not be written there)
VIOLATIONS = {
    "rooms": ("services/tariffs.py", "import providers"),
    "settings": ("settings/fields.py", "from settings.rules import configured"),
    "outside": ("providers/__init__.py", "from db import transaction"),
    "doors": ("handlers/pagination.py", "import cli"),
    "server": ("services/tariffs.py", "import flask"),
    "flask": ("web/routing.py", "from werkzeug import exceptions"),
    "network": ("handlers/tariffs.py", "import requests"),
    "queries": ("handlers/tariffs.py", "from sqlalchemy import select"),
    "tables": ("handlers/tariffs.py", "from db.models import Tariff"),
    "sandbox": ("local/sandbox/telegram/__init__.py", "import settings, services.ledger"),
    "chaos": ("lab/chaos/customers.py", "from services import ledger"),
    "bot": ("bot/people.py", "import services.ledger, settings"),
    "client": ("livephoto_client/pages.py", "import errors, spec.operations"),
}
# An arrow that runs upward, for each room that has one above it.
UPWARD = {
    "local/stack.py": "import lab.chaos",
    "web/app.py": "from local import stack",
    "db/session.py": "from local.postgres import embedded",
    "handlers/ops.py": "from web import views",
    "workflows/checkout.py": "import handlers.payments",
    "spec/outline.py": "import web.app",
    "telemetry/metrics/scrape.py": "import settings.reading",
}
# The modules at the root are no packages, which import-linter cannot see: what each may import.
ROOT_MODULES = {
    "cli": {"commands", "db", "errors", "services", "settings", "workflows"},
    "errors": set(),
    "gunicorn.conf": {"handlers", "settings", "telemetry", "web", "workflows"},
    "quotas": set(),
}


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    """Output of lint-imports for the code in `tree`."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the linter says when all violations are planted in a copy of the code at once."""
    tree = tmp_path_factory.mktemp("tree")
    for room in FOLDERS:
        for file in (ROOT / room).rglob("*.py"):
            copy = tree / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
    shutil.copytree(ROOT / "clients/python/livephoto_client", tree / "livephoto_client")
    shutil.copyfile(ROOT / "setup.cfg", tree / "setup.cfg")
    assert lint(tree).returncode == 0
    for name, line in [*VIOLATIONS.values(), *UPWARD.items()]:
        with (tree / name).open("a") as source:
            source.write(f"\n{line}\n")
    broken = lint(tree)
    assert broken.returncode == 1, broken.stdout + broken.stderr
    return broken.stdout


def names() -> dict[str, str]:
    """What each contract of setup.cfg is called in a verdict."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    prefix = "importlinter:contract:"
    found = [section for section in config.sections() if section.startswith(prefix)]
    return {section.removeprefix(prefix): config[section]["name"] for section in found}


def test_every_contract_is_tried() -> None:
    assert names().keys() == VIOLATIONS.keys()


def caught(verdict: str, contract: str, file: str, line: str) -> bool:
    """Whether the contract is broken by this line of this file."""
    section = verdict.partition(f"\n{names()[contract]}\n---")[2]
    for other in names().values():
        section = section.partition(f"\n{other}\n---")[0]
    module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return any(f"{module} -> {target} (" in section for target in _targets(ast.parse(line).body[0]))


@pytest.mark.parametrize("contract", VIOLATIONS)
def test_a_planted_import_is_caught(contract: str, verdict: str) -> None:
    assert caught(verdict, contract, *VIOLATIONS[contract])


@pytest.mark.parametrize("file", UPWARD)
def test_an_arrow_that_runs_upward_is_caught(file: str, verdict: str) -> None:
    assert caught(verdict, "rooms", file, UPWARD[file])


def test_the_modules_at_the_root_import_only_what_they_may() -> None:
    modules = {
        file.name.removesuffix(".py"): ast.parse(file.read_text()) for file in ROOT.glob("*.py")
    }
    ours = {*FOLDERS, *modules}
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


def _targets(node: ast.AST) -> list[str]:
    """The modules that a statement may mean."""
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names] + [node.module or ""]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
