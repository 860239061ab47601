"""Clients that openapi-generator and openapi-typescript make, and a customer's story played with
each: what they make must compile, and its types must fit what the server sends.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from lab.judge.clients import PHOTO, STORY_SECONDS, TOOLS
from lab.judge.verdicts import CONTRACT, HERE, WORK, run_tool
from local.stack import Stack

NODE = HERE / "node_modules/.bin"
PYTHON_CLIENT = WORK / "openapi_generator"
TYPESCRIPT_CLIENT = WORK / "typescript"
PACKAGE = "openapi_generator_client"
JAVA_SECONDS = 300
# All but the webhook: the generator's Python leaves whatever a webhook takes untyped, its body too,
# which is a syntax error.
PARTS = "apis,models,supportingFiles"


def openapi_generator() -> str:
    """Generate a Python client, with the document validated, and compile it. Needs Java."""
    shutil.rmtree(PYTHON_CLIENT, ignore_errors=True)
    jar = next(WORK.glob("venv/lib/python*/site-packages/openapi_generator_cli/*.jar"))
    properties = f"packageName={PACKAGE},generateSourceCodeOnly=true"
    source = ("-i", CONTRACT, "-g", "python", "-o", PYTHON_CLIENT)
    output = run_tool(
        *("java", "-jar", jar, "generate", *source, "--additional-properties", properties),
        *("--global-property", PARTS),
        seconds=JAVA_SECONDS,
    )
    run_tool(TOOLS / "python", "-m", "compileall", "-q", PYTHON_CLIENT)
    files = len(list(PYTHON_CLIENT.rglob("*.py")))
    assumed = output.count("Unknown `format`")
    return f"valid, {files} modules compile; `decimal` is read as a number ({assumed} times)"


def openapi_generator_story(stack: Stack) -> str:
    """Play a story with that client."""
    program = (TOOLS / "python", HERE / "openapi_generator_story.py")
    return run_tool(
        *(*program, _origin(stack), stack.api_key, PHOTO),
        changes={"PYTHONPATH": str(PYTHON_CLIENT)},
        seconds=STORY_SECONDS,
    ).strip()


def openapi_typescript() -> str:
    """Generate types, and check a program that uses them with the strictest compiler."""
    shutil.rmtree(TYPESCRIPT_CLIENT, ignore_errors=True)
    TYPESCRIPT_CLIENT.mkdir(parents=True)
    shutil.copy(HERE / "story.ts", TYPESCRIPT_CLIENT)
    (TYPESCRIPT_CLIENT / "package.json").write_text('{"type": "module"}')
    (TYPESCRIPT_CLIENT / "node_modules").symlink_to(HERE / "node_modules")
    schema = TYPESCRIPT_CLIENT / "schema.ts"
    run_tool(NODE / "openapi-typescript", CONTRACT, "--output", schema, folder=HERE)
    options = ("--strict", "--target", "es2022", "--module", "nodenext", "--skipLibCheck")
    run_tool(NODE / "tsc", *options, "story.ts", folder=TYPESCRIPT_CLIENT)
    lines = len(schema.read_text("utf-8").splitlines())
    return f"{lines} lines of types; tsc --strict finds nothing in a program that uses them"


def openapi_typescript_story(stack: Stack) -> str:
    """Run that program against the server."""
    story = ("node", "story.js", _origin(stack), stack.api_key, Path(PHOTO))
    return run_tool(*story, folder=TYPESCRIPT_CLIENT, seconds=STORY_SECONDS).strip()


def _origin(stack: Stack) -> str:
    return stack.url.removesuffix("/api")
