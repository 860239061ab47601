"""The client as others get it: a wheel, and the examples of its README run with nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.live import Server
from tests.wire import KEY, ROOT

FOLDER = ROOT / "clients/python"
README = (FOLDER / "README.md").read_text("utf-8")
EXAMPLES = dict(re.findall(r"<!-- tested: (\w+) -->\n```python\n(.*?)```", README, re.DOTALL))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by the README's command, which needs no network."""
    folder = tmp_path_factory.mktemp("dist")
    built = re.search(r"^uv (build --wheel clients/python) --out-dir dist", README, re.MULTILINE)
    assert built
    uv = Path(sys.executable).with_name("uv")
    command = [uv, *built[1].split(), "--out-dir", folder, "--offline", "--quiet"]
    subprocess.run(command, cwd=ROOT, check=True, timeout=60)
    return next(folder.glob("livephoto_client-*.whl"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has the wheel and httpx with what it needs, and none of our code."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False, symlinks=True)
    found = next((folder / "lib").glob("python*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(found)
    ours = Path(httpx.__file__).parents[1]
    for name in ("httpx", "httpcore", "h11", "anyio", "idna", "certifi", "typing_extensions.py"):
        (found / name).symlink_to(ours / name)
    return folder / "bin/python"


def test_the_wheel_has_the_types_and_none_of_the_generator(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        assert "Requires-Dist: httpx" in archive.read(metadata).decode()
    code = {str(f.relative_to(FOLDER)) for f in (FOLDER / "livephoto_client").rglob("*.py")}
    assert code | {"livephoto_client/py.typed"} <= names
    assert not any("generator" in name for name in names)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_of_the_readme_works_with_the_wheel(
    name: str, python: Path, live_server: Server
) -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "SERVER_URL": live_server.url,
        "SERVER_API_KEY": KEY,
        "NO_PROXY": "127.0.0.1",
    }
    command = [python, "-I", "-c", EXAMPLES[name]]
    outcome = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout or name == "event"


def test_an_editor_and_mypy_see_its_types(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("\n".join(EXAMPLES.values()) + WRONG, "utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", str(program)]
    environ = {**os.environ, "MYPYPATH": str(FOLDER), "MYPY_CACHE_DIR": str(tmp_path / "cache")}
    outcome = subprocess.run(
        command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    found = re.findall(r": error: (.*?)  \[(.*)\]", outcome.stdout)
    assert [code for _, code in found] == ["arg-type", "attr-defined"], outcome.stdout


WRONG = """
wrong = Client("http://127.0.0.1", "key")
wrong.models_list(service_type="paint")
wrong.tariffs_list()[0].price
"""
