"""The examples in README.md, run as they are against the whole stack."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from local.postgres import throwaway
from local.stack import Stack
from settings import Settings

ROOT = Path(__file__).parents[2]
EXAMPLE = r"<!-- tested: {} -->\n```\w+\n(.*?)```"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Everything that `make run` starts, in a folder of its own."""
    with throwaway.state_folder("readme") as folder:
        defaults = Settings(environment="test", state_dir=folder, port=0, web_concurrency=1)
        with Stack(**vars(defaults)) as started:
            yield started


def example(name: str) -> str:
    """The code of an example."""
    found = re.search(EXAMPLE.format(name), (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert found
    return found[1]


def run(command: list[str], stack: Stack, folder: Path) -> str:
    """Run an example in a folder with the samples; its output."""
    shutil.copytree(ROOT / "local/samples", folder / "local/samples", dirs_exist_ok=True)
    environ = {**os.environ, "SERVER_URL": stack.url, "SERVER_API_KEY": stack.api_key}
    outcome = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=380
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return outcome.stdout


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl on this machine")
def test_the_curl_example_orders_a_photo(stack: Stack, tmp_path: Path) -> None:
    script = example("curl").replace("API=http://127.0.0.1:8000/api/v1", f"API={stack.url}/v1")
    assert stack.url in script
    said = run(["bash", "-euo", "pipefail", "-c", script], stack, tmp_path)
    assert said.endswith("waiting_payment\n")


def test_the_example_of_the_client_restores_a_photo(stack: Stack, tmp_path: Path) -> None:
    code = example("client")
    assert "tokens are missing: " in run([sys.executable, "-c", code], stack, tmp_path)
    grant = re.search(r"cli\.py (grant .*?)`", (ROOT / "README.md").read_text("utf-8"))
    assert grant
    assert "30" in stack.cli(*grant[1].replace('"', "").split())
    assert run([sys.executable, "-c", code], stack, tmp_path).rstrip().endswith("done 100 %")
    with Image.open(tmp_path / "restored.jpg") as photo:
        assert photo.format == "JPEG"
