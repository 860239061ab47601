"""The image and deploy/compose.yaml, as far as they can be checked without a container engine."""

from __future__ import annotations

import fnmatch
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

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
# What is off costs nothing.
assert "prometheus_client" not in sys.modules
"""


def instructions() -> list[tuple[str, str]]:
    """Each one's name and its arguments, of both stages."""
    text = "\n".join(line for line in DOCKERFILE.splitlines() if not line.startswith("#"))
    lines = text.replace("\\\n", " ").splitlines()
    parts = [line.partition(" ") for line in lines if line.strip()]
    return [(name, arguments) for name, _, arguments in parts]


def copied() -> list[tuple[str, str]]:
    """What is taken from the project, and where it is put."""
    copies = [words.split() for name, words in instructions() if name == "COPY"]
    ours = [words for words in copies if not words[0].startswith("--from=")]
    return [(source, target) for *sources, target in ours for source in sources]


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
    named = dict(instructions())  # the last one of a name counts, as it does for the image
    assert named["USER"] not in ("", "root", "0")
    assert "/api/v1/health/live" in named["HEALTHCHECK"]


def test_compose_starts_after_what_it_needs_and_sets_only_what_exists() -> None:
    services = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text("utf-8"))["services"]
    known = {each.name.upper() for each in fields(Settings)}
    for name in ("setup", "server", "worker", "console"):
        assert set(services[name]["environment"]) <= known
        assert set(services[name]["depends_on"]) <= set(services)
    assert services["server"]["depends_on"]["setup"] == {
        "condition": "service_completed_successfully"
    }
    assert (ROOT / services["worker"]["command"][-1] / "__main__.py").exists()


def test_compose_has_no_secret_of_its_own_and_opens_no_port_to_the_world() -> None:
    composed = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text("utf-8"))
    for name, value in environments(composed):
        if re.search("KEY|PASSWORD|SECRET", name):
            assert re.fullmatch(r"\$\{\w+:\?.+\}|/run/secrets/\w+", value), (
                f"{name} has a value of its own"
            )
    services = composed["services"].values()
    ports = [port for service in services for port in service.get("ports", [])]
    assert len(ports) == 5
    assert all(port.startswith("127.0.0.1:") for port in ports)


def environments(composed: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every variable that is set for a container."""
    for service in (composed["x-livephoto"], *composed["services"].values()):
        yield from service.get("environment", {}).items()


def test_compose_has_a_standby_and_a_pooler_for_whoever_asks_for_them() -> None:
    composed = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text("utf-8"))
    services = composed["services"]
    extra = [services[name] for name in ("standby", "pooler")]
    assert all(service["profiles"] == ["replicated"] for service in extra)
    for service in services.values():
        for each in service.get("configs", []):
            assert each["source"] in composed["configs"]
    (file,) = (each.split(":")[0] for each in services["pooler"]["volumes"])
    assert (ROOT / file).exists()
    # What is not asked for is waited for by nobody.
    for service in services.values():
        for name, wanted in service.get("depends_on", {}).items():
            if service.get("profiles") != services[name].get("profiles"):
                assert "profiles" not in services[name] or wanted["required"] is False
