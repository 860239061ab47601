"""The image and deploy/compose.yaml, as far as they can be checked without a container engine."""

from __future__ import annotations

import fnmatch
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import yaml

from settings import Settings
from tests.house.code import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
# Hides every package whose name is not among the arguments, then imports as in production.
IMPORTING = """
import importlib.metadata, re, sys

hidden = {
    module
    for module, owners in importlib.metadata.packages_distributions().items()
    if not {re.sub(r"[-_.]+", "-", owner).lower() for owner in owners} & set(sys.argv)
}

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"{name} is not in the image", name=name)

sys.meta_path.insert(0, Hidden())
assert "pytest" in hidden and "connexion" not in hidden
import importlib, pathlib
import gunicorn.app.wsgiapp

for file in sorted(pathlib.Path.cwd().rglob("*.py")):
    module = ".".join(file.relative_to(pathlib.Path.cwd()).with_suffix("").parts)
    if not module.startswith("db.migrations.") and module != "gunicorn.conf":
        importlib.import_module(module.removesuffix(".__init__"))
from web.app import create_app
create_app()
"""


def copied() -> list[tuple[str, str]]:
    """What the image takes from the project, and where it puts it."""
    lines = re.findall(r"^COPY (?!--from)(.+) (\S+)$", DOCKERFILE, re.MULTILINE)
    return [(source, target) for sources, target in lines for source in sources.split()]


def test_every_module_of_the_image_finds_what_it_imports(tmp_path: Path) -> None:
    for source, target in copied():
        path = ROOT / source
        if path.is_dir():
            shutil.copytree(path, tmp_path / target)
        else:
            shutil.copy(path, tmp_path / target)
    locked = re.findall(
        r"^([a-z0-9-]+)(?:\[.*\])?==",
        (ROOT / "requirements/server.txt").read_text("utf-8"),
        re.MULTILINE,
    )
    outcome = subprocess.run(
        [sys.executable, "-c", IMPORTING, *locked],
        cwd=tmp_path,
        env={
            "PATH": "/usr/bin:/bin",
            "STATE_DIR": str(tmp_path / "var"),
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr


def test_what_the_image_copies_is_let_through_and_nothing_private_is() -> None:
    ignore = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    let_through = [line[1:] for line in ignore if line.startswith("!")]
    assert {source for source, _ in copied()} == set(let_through)
    assert "*" in ignore
    for private in (".env", "var", ".git", "tests", "local", "lab", "api.key"):
        assert not any(fnmatch.fnmatch(private, pattern) for pattern in let_through)


def test_the_image_does_not_run_as_root_and_is_checked() -> None:
    last_stage = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER (?!root)", last_stage, re.MULTILINE)
    assert "/api/v1/health/live" in last_stage


def test_compose_starts_after_what_it_needs_and_sets_only_what_exists() -> None:
    services = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text("utf-8"))["services"]
    known = {each.name.upper() for each in fields(Settings)}
    for name in ("setup", "server", "worker"):
        assert set(services[name]["environment"]) <= known
        assert set(services[name]["depends_on"]) <= set(services)
    assert services["server"]["depends_on"]["setup"] == {
        "condition": "service_completed_successfully"
    }
    assert (ROOT / services["worker"]["command"][-1] / "__main__.py").exists()


def test_compose_has_no_secret_of_its_own_and_opens_no_port_to_the_world() -> None:
    text = (ROOT / "deploy/compose.yaml").read_text("utf-8")
    for secret in re.findall(r"\$\{(\w*(?:KEY|PASSWORD|SECRET)\w*)(:?.)", text):
        assert secret[1] == ":?", secret
    ports = re.findall(r"^ {6}- ([\d.:]*\S*:\d+)$", text, re.MULTILINE)
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)
