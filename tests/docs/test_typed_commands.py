"""Shell blocks for the operator, typed line by line as they are."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg2
import pytest
import requests

from local import ports, sandbox
from local.client import Client, is_ready
from local.postgres import binaries
from local.processes import Child, Program
from settings.databases import plain
from tests.databases import empty_database
from tests.house.code import ROOT
from tests.payment_world import YOOKASSA_ORDER, Sandbox, Shop, payment_sandbox, shop_webhook
from tests.wire import KEY, wait_until

PATIENCE_SECONDS = 60
PRIVATE = {".env", ".git", ".venv", "var"}

needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl here")


class Machine:
    """A folder with the project, and an operator's terminal in it."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder, self.port = folder, ports.reserve()
        for path in ROOT.iterdir():
            if path.name not in PRIVATE:
                (folder / path.name).symlink_to(path)
        (folder / ".venv").symlink_to(sys.prefix)
        self.environ = {
            "PATH": f"{binaries.find().bin}:{os.environ['PATH']}",
            "DATABASE_URL": database_url,
            "SERVER_API_KEY": KEY,
            "PORT": str(self.port),
        }

    def type(self, line: str, **environ: str) -> str:
        """Run a line, which must succeed; its output."""
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self.environ | environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def begin(self, name: str, line: str) -> Child:
        """Start a program that keeps running."""
        command = (str(shutil.which("bash")), "-c", f"exec {line}")
        program = Program.other(name, command, PATIENCE_SECONDS, self.folder)
        return Child(program, environ=self.environ, logs=self.folder)


def block(document: str, heading: str) -> list[str]:
    """The lines of the last shell block under a heading."""
    text = (ROOT / document).read_text("utf-8").partition(f"\n{heading}\n")[2]
    section = re.split(r"^#{2,3} ", text, flags=re.MULTILINE)[0]
    return re.findall(r"```sh\n(.*?)\n```", section, re.DOTALL)[-1].splitlines()


@pytest.fixture(scope="module")
def databases(postgres: str) -> Iterator[list[str]]:
    """Two empty ones, with URLs that PostgreSQL's own programs understand."""
    with ExitStack() as stack:
        made = [stack.enter_context(empty_database(postgres)) for _ in range(2)]
        yield [plain(url) for url in made]


@pytest.fixture(scope="module")
def machine(databases: list[str], tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine with only the packages installed, as if by the first line of the block."""
    machine = Machine(tmp_path_factory.mktemp("machine"), databases[0])
    install, copy, settings, migrate, seed, *_ = block("README.md", "### For real")
    assert "pip install --require-hashes -r requirements/server.txt" in install
    machine.type(copy)
    assert "Missing for production" in machine.type(settings)
    assert "database is at" in machine.type(migrate)
    assert "rows added" in machine.type(seed)
    return machine


def test_server_and_worker_start_as_told_and_end_in_order(machine: Machine) -> None:
    gunicorn, worker, *_ = block("README.md", "### For real")[-4:]
    with machine.begin("server", gunicorn) as server, machine.begin("worker", worker) as working:
        url = f"http://127.0.0.1:{machine.port}/api"
        wait_until(lambda: is_ready(url))
        with Client(url, KEY) as client:
            assert client.send("GET", "/tariffs").json()
        # Before that it would end by SIGTERM, not in order.
        wait_until(lambda: "worker started" in working.said())
        assert [each.exit_code() for each in (server, working)] == [None, None]
        for each in (server, working):
            each.send_signal(signal.SIGTERM)
        for each in (server, working):
            assert each.wait(PATIENCE_SECONDS) == 0, each.said()


def test_a_backup_is_restored(machine: Machine, databases: list[str]) -> None:
    dump, restore = block("docs/backup.md", "## A single file")
    machine.type(dump)
    machine.type(restore, DATABASE_URL=databases[1])
    kept, restored = (_tariffs(url) for url in databases)
    assert kept and kept == restored
    books = machine.type(".venv/bin/python cli.py ledger check", DATABASE_URL=databases[1])
    assert "FAIL" not in books


@needs_curl
def test_the_controls_pay_and_send_three_webhooks() -> None:
    with payment_sandbox() as world, shop_webhook() as shop:
        world.control("PUT", "/yookassa/webhook", url=shop.url)
        reference = _payment(world)
        lines = [line for line in block("docs/payments.md", "## Sandbox") if line[0] != "#"]
        assert len(lines) == 2
        for line in lines:
            command = line.replace("localhost:8090", world.url.partition("//")[2])
            subprocess.run(
                ["bash", "-c", command],
                env={"PATH": os.environ["PATH"], "REFERENCE": reference, "no_proxy": "*"},
                check=True,
                timeout=30,
            )
        _require_three(shop)


def _tariffs(url: str) -> list[tuple[str, int]]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT name, monthly_tokens FROM tariffs ORDER BY name")
        return cursor.fetchall()


def _payment(world: Sandbox) -> str:
    keys = sandbox.Options()
    made = requests.post(
        f"{world.yookassa}/payments",
        json=YOOKASSA_ORDER,
        auth=(keys.yookassa_shop_id, keys.yookassa_secret_key),
        headers={"Idempotence-Key": "one"},
        timeout=10,
    )
    return str(made.json()["id"])


def _require_three(shop: Shop) -> None:
    posted = shop.wait_for(3)
    assert len({each.raw for each in posted}) == 1
    assert b"payment.succeeded" in posted[0].raw
