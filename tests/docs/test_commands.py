"""What documents tell the reader to type exists: programs, options, targets, files, settings."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import shutil
import sys
from dataclasses import fields
from pathlib import Path

import click
import pytest
import yaml

import cli
from bot.updates import WANTED
from local.postgres import binaries
from settings import Settings
from spec import CONTRACT
from tests.docs.commands import Command, commands_of
from tests.house.code import ROOMS, ROOT
from tests.house.documents import DOCUMENTS, files, is_foreign

COMMANDS = [command for document in DOCUMENTS for command in commands_of(document)]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
SETTINGS = {each.name.upper() for each in fields(Settings)}
ID = "0b9f6c1e-4a7d-4f52-8f0b-6d1c2e3a4b5c"
FILE = re.compile(r"(?:[\w.-]+/)*[\w.-]+\.(?:py|md|yaml|cfg|txt|toml|json|in|onnx|jpg|svg)")
# Of ours, not of the reader's machine; `spec/` names a room, `tests/spec` a part of one.
FOLDER = re.compile(rf"(?:{'|'.join(ROOMS)}|docs|lab|tests)(?:/[\w-]+)*/?")
TEXTS = {".py", ".yaml", ".cfg", ".in", ".toml", ".md"}


def _of(*programs: str) -> list[Command]:
    return [command for command in COMMANDS if command.program in programs]


@pytest.mark.parametrize("command", _of("make"), ids=str)
def test_a_target_of_make_exists_and_takes_its_variables(command: Command) -> None:
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert phony
    targets = [word for word in command.words[1:] if "=" not in word]
    assert targets and set(targets) <= set(phony[1].split())
    given = {word.partition("=")[0] for word in command.words[1:] if "=" in word}
    variables = set(re.findall(r"\$\(([A-Z_]+)\)", MAKEFILE))
    assert given | command.environ.keys() <= variables | SETTINGS


@pytest.mark.parametrize("command", _of("python", "python3", "cli.py"), ids=str)
def test_a_program_of_ours_exists_and_takes_its_options(command: Command) -> None:
    if "cli.py" in command.words:
        words = command.words[command.words.index("cli.py") + 1 :]
        _require_command(cli.cli, list(words), whole=command.whole)
        return
    _, name, *arguments = command.words
    if name == "-m":
        name, *arguments = arguments
        found = importlib.util.find_spec(name)
        assert found and found.origin, f"no module {name}"
        if not Path(found.origin).is_relative_to(ROOT) or ".venv" in found.origin:
            return
        source = Path(found.origin)
        sources = source.parent.glob("*.py") if source.name == "__init__.py" else [source]
    else:
        sources = [_existing(command.document, name)]
    text = "".join(_with_what_it_imports(each) for each in sources)
    assert [word for word in arguments if word[:2] == "--" and f'"{word}"' not in text] == []


def _with_what_it_imports(source: Path) -> str:
    """The text of a program and of what it imports from its own folder: options may stand there."""
    text = source.read_text("utf-8")
    imports = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom))
    names = {str(node.module).rpartition(".")[2] for node in imports}
    beside = [source.with_name(f"{name}.py") for name in sorted(names)]
    return text + "".join(each.read_text("utf-8") for each in beside if each.exists())


def _require_command(group: click.Group, words: list[str], *, whole: bool) -> None:
    """The command exists and, if it is complete, can be parsed with its arguments."""
    name = "cli.py"
    command: click.Command = group
    while isinstance(command, click.Group) and words:
        name = words.pop(0)
        assert name in command.commands, f"no command {name}"
        command = command.commands[name]
    if whole:
        words = [ID if re.fullmatch("[A-Z_]*ID", word) else word for word in words]
        command.make_context(name, words).close()


@pytest.mark.parametrize("command", _of("cp", "pip", "docker", "npm"), ids=str)
def test_a_file_or_service_that_a_command_names_exists(command: Command) -> None:
    words = command.words
    if command.program == "docker":
        services = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text("utf-8"))["services"]
        scaled = [word.partition("=")[0] for word in words if re.fullmatch(r"\w+=\d+", word)]
        assert words[1] == "compose" and set(scaled) <= set(services)
    elif command.program == "cp":
        _existing(command.document, words[1])
    elif command.program == "npm" and len(words) > 1:
        _existing(command.document, "package.json")
    elif "-r" in words:
        _existing(command.document, words[words.index("-r") + 1])


@pytest.mark.parametrize("command", _of("gunicorn", "pg_dump", "pg_restore"), ids=str)
def test_an_installed_program_exists(command: Command) -> None:
    folders = (Path(sys.executable).parent, binaries.find().bin)
    assert any(shutil.which(command.program, path=folder) for folder in folders)


def test_telegram_is_told_the_webhook_of_the_contract() -> None:
    (command,) = (each for each in _of("curl") if "setWebhook" in each.text)
    parameters = dict(word.split("=", 1) for word in command.words if re.match(r"\w+=", word))
    path = parameters["url"].partition("/api")[1] + parameters["url"].partition("/api")[2]
    assert path.replace("telegram", "{provider}") in CONTRACT["paths"]
    asked_for = set(WANTED) - {"callback_query"}
    assert set(json.loads(parameters["allowed_updates"])) == asked_for


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_folders_and_names_of_the_program_exist(document: Path) -> None:
    spans = re.findall(r"`([^`\n]+)`", document.read_text("utf-8"))
    files = {span.partition(":")[0] for span in spans if FILE.fullmatch(span.partition(":")[0])}
    for name in files:
        _existing(document, name)
    for name in filter(FOLDER.fullmatch, spans):
        if not any(map(is_foreign, name.split("/"))):
            _existing(document, name)
    places = (re.fullmatch(rf"({FILE.pattern}): (\w+)", span) for span in spans)
    for place in filter(None, places):
        text = _existing(document, place[1]).read_text("utf-8")
        assert re.search(rf"^(?:def|class) {place[2]}\b", text, re.MULTILINE), place[0]
    named = {name for span in spans for name in re.findall(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b", span)}
    unknown = named - SETTINGS
    text = "\n".join(_sources()) if unknown else ""
    assert [name for name in sorted(unknown) if not re.search(rf"\b{name}\b", text)] == []


def _existing(document: Path, name: str) -> Path:
    """The file that `document` means: from the root, from its own folder, or found by its name."""
    found = [path for path in (ROOT / name, document.parent / name) if path.exists()]
    found = found or [path for path in files() if path.name == name]
    assert found, f"{name} does not exist"
    return found[0]


def _sources() -> list[str]:
    return [path.read_text("utf-8") for path in files() if path.suffix in TEXTS - {".md"}]
