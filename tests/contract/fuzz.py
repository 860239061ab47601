"""`make fuzz`: schemathesis, all phases and checks, against a running server with real rows.

Starts a stack of its own in var/fuzz. ENVIRONMENT=test makes the server answer 500 whenever an
answer differs from the contract, so that every mismatch counts as a failure, refusals included.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

import settings
from local.client import Client
from local.postgres import throwaway
from local.processes import Child
from local.stack import Stack
from settings import Settings
from spec import CONTRACT
from tests.contract import fuzzing
from tests.contract.fuzzing import config

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "var/fuzz"
PHOTO = ROOT / "local/samples/tiny_portrait_150px.jpg"
TOKENS = "500"
LOTTERY = ("--description", "-", "--start", "2020-01-01", "--end", "2099-01-01", "--prize", "1x5xA")
PATIENCE_SECONDS = 90
EXAMPLES = 30


class Seeds:
    """Rows for the attack to find, created over HTTP; their ids by the contract's names."""

    def __init__(self, stack: Stack) -> None:
        self._client = Client(stack.url, stack.api_key)
        inviter = self._post("/users/register-or-login", {"telegramId": "1"})
        invitee = {"telegramId": "2", "refCode": inviter["refCode"]}
        self.users = [inviter["id"], self._post("/users/register-or-login", invitee)["id"]]
        self.telegram_ids = ["1", "2"]
        stack.cli("grant", inviter["id"], TOKENS, "--key", "fuzz", "--reason", "-")
        stack.cli("lottery", "create", "Running", *LOTTERY)
        self.channels = list(stack.settings.bonus_channels)
        self.data = [self._upload() for _ in range(2)]
        self.jobs = [self._order(service) for service in ("animate", "restore", "restore")]
        self.payments = [self._pay(provider) for provider in settings.PROVIDERS]
        self._wait_for(self.jobs[:2])
        self._enter_the_lottery()

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, str]:
        answer = self._client.send("POST", path, json=body)
        answer.raise_for_status()
        found: dict[str, str] = answer.json()
        return found

    def _upload(self) -> str:
        with PHOTO.open("rb") as file:
            form = {"type": "image"}
            answer = self._client.send("POST", "/data", data=form, files={"file": file})
        answer.raise_for_status()
        return str(answer.json()["id"])

    def _order(self, service: str) -> str:
        picture = [{"type": "image", "dataId": self.data[0]}]
        job = {"userId": self.users[0], "serviceType": service, "input": picture}
        return self._post("/jobs", job)["id"]

    def _pay(self, provider: str) -> str:
        wanted = {"userId": self.users[0], "provider": provider, "amountRub": 199}
        return self._post("/payments/intents", wanted)["id"]

    def _enter_the_lottery(self) -> None:
        for user in self.users:
            entry = {"userId": user, "socialLinks": ["https://vk.com/wall1"]}
            self._post("/lotteries/entries/submit-social", entry)

    def _wait_for(self, jobs: list[str]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while any(
            self._client.send("GET", f"/jobs/{job}").json()["status"] != "done" for job in jobs
        ):
            if time.monotonic() > deadline:
                raise TimeoutError(f"jobs are not done in {PATIENCE_SECONDS} s: {jobs}")
            time.sleep(0.3)


def main() -> int:
    """Exit code of schemathesis, or 1 when the books are inconsistent after it."""
    throwaway.remove(FOLDER / "postgres")
    shutil.rmtree(FOLDER, ignore_errors=True)
    # A rate limit that is reached would answer instead of the operations under attack.
    unlimited = Settings(environment="test", rate_limit_per_user=10**9, web_concurrency=1)
    defaults = replace(unlimited, state_dir=FOLDER, port=0)
    with Stack(**vars(defaults)) as stack:
        seeds = Seeds(stack)
        with paused(next(each for each in stack.children if each.program.name == "worker")):
            code = attack(stack, seeds)
        click.echo(stack.cli("ledger", "check"))
    return code


@contextmanager
def paused(child: Child) -> Iterator[None]:
    """Suspend the worker, so that it fetches no URL that schemathesis makes up."""
    os.kill(child.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(child.pid, signal.SIGCONT)


def attack(stack: Stack, seeds: Seeds) -> int:
    """Run schemathesis, which reports to standard output; its exit code."""
    file = FOLDER / "schemathesis.toml"
    origin = stack.url.removesuffix("/api")
    # The same attack each time, unless a seed is given (a deeper one needs it: without randomness,
    # hypothesis takes a few job ids for all there are).
    settings = config(
        origin, stack.api_key, seeds, examples=EXAMPLES, deterministic="--seed" not in sys.argv
    )
    file.write_text(as_toml(settings))
    program = Path(sys.executable).with_name("schemathesis")
    location = f"{stack.url}/v1/openapi.json"
    command = [str(program), "--config-file", str(file), "run", location, *sys.argv[1:]]
    answers = FOLDER / "answers"
    answers.touch()
    environ = {**os.environ, fuzzing.ANSWERED: str(answers)}
    code = subprocess.run(command, cwd=ROOT, env=environ, check=False).returncode
    for line in answers.read_text().splitlines():
        name, status = line.split()
        fuzzing.answered[name][int(status)] += 1
    # An operation that is attacked alone finds what others would have made for it used up.
    whole = "--include-operation-id" not in sys.argv
    if missed := fuzzing.unreached(CONTRACT) if whole else set():
        click.echo(f"Never answered with success: {', '.join(sorted(missed))}")
    return code or bool(missed)


def as_toml(table: dict[str, object]) -> str:
    """`table` as TOML: keys of JSON strings and inline tables are all that is needed."""
    return "".join(f"{json.dumps(key)} = {_inline(value)}\n" for key, value in table.items())


def _inline(value: object) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{json.dumps(key)} = {_inline(item)}" for key, item in value.items())
        return f"{{ {inner} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    return json.dumps(value)


if __name__ == "__main__":
    sys.exit(main())
