"""Programs are started by the one starter, local/processes.py: logged, bounded, ended with us."""

from __future__ import annotations

import re

import pytest

from tests.house.code import Source, sources, sources_of

# What starts a program that goes on beside us; `subprocess.run` waits for its end.
STARTS = re.compile(r"\b(Popen|create_subprocess_(exec|shell)|posix_spawnp?)\(")
ANOTHER_USER = "PostgreSQL refuses root, so it runs as a user of its own"
UNAIDED = "what such a process leaves behind is tested, so nobody may clean up after it"

STAYS = {
    "lab/failover/node.py": f"{ANOTHER_USER}, in its machine's network; SIGINT stops it in order",
    "lab/failover/patroni.py": f"{ANOTHER_USER}, and Patroni, which starts it, with it",
    "local/postgres/embedded.py": f"{ANOTHER_USER}; it inherits the lock that tells that it runs",
    "local/processes.py": "this is the starter",
    "providers/engine/embedded/process.py": "the engine tells of its progress through a pipe",
    "providers/engine/embedded/video.py": "the encoder takes its frames from a pipe",
    "tests/forks.py": "orders to it and its answers go through pipes",
    "tests/local/test_postgres.py": UNAIDED,
    "tests/local/test_stack.py": UNAIDED,
}


def starting(files: list[Source]) -> set[str]:
    """The files that start programs themselves."""
    return {source.name for source in files if STARTS.search(source.text)}


def test_only_what_is_listed_starts_programs_itself() -> None:
    files = [*sources(), *sources_of("lab"), *sources_of("tests"), *sources_of("clients")]
    assert starting(files) == STAYS.keys()


@pytest.mark.parametrize("call", ["Popen", "create_subprocess_exec", "posix_spawn"])
def test_a_planted_start_is_found(call: str) -> None:
    code = f"program = module.{call}(['true'])\n"
    assert starting([Source("lab/planted.py", code)]) == {"lab/planted.py"}
