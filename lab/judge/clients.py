"""A client generated from the contract, its types, and the demo's story played with it."""

from __future__ import annotations

import shutil

from lab.judge.verdicts import CONTRACT, HERE, ROOT, WORK, run_tool
from local.stack import Stack

# The generator and its client have a separate environment, installed by the Makefile.
TOOLS = WORK / "venv/bin"
CLIENT = WORK / "client"
PHOTO = ROOT / "local/samples/tiny_portrait_150px.jpg"
STORY_SECONDS = 300


def generated_client() -> str:
    """Generate a client with openapi-python-client and check it with mypy --strict."""
    shutil.rmtree(CLIENT, ignore_errors=True)
    generator = (TOOLS / "openapi-python-client", "generate", "--path", CONTRACT)
    settings = ("--output-path", CLIENT, "--config", HERE / "client.yaml")
    run_tool(*generator, *settings, "--fail-on-warning")
    checker = (TOOLS / "mypy", "--strict", "--cache-dir", WORK / "mypy_cache")
    path = {"MYPYPATH": f"{CLIENT}:{HERE}"}
    output = run_tool(*checker, "--package", "generated_client", changes=path)
    run_tool(*checker, HERE / "story.py", changes=path)
    return f"no warning; mypy --strict: {output.strip().removeprefix('Success: ')}"


def story(stack: Stack) -> str:
    """Play the demo's story, where every answer and error is an object of its class."""
    origin = stack.url.removesuffix("/api")
    output = run_tool(
        *(TOOLS / "python", HERE / "story.py", origin, stack.api_key, PHOTO),
        changes={"PYTHONPATH": str(CLIENT)},
        seconds=STORY_SECONDS,
    )
    return output.strip()
