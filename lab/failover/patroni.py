"""Two servers that Patroni runs, with its own consensus: it notices, fences and promotes itself."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import requests

from lab.failover.cases import Case, Stage
from local import ports
from local.postgres import binaries, cluster, replication
from local.postgres.embedded import DATABASE
from local.processes import ROOT, comes_true, follow_parent, tail

VENV = ROOT / "var/failover/venv"
SCOPE = "livephoto"
LIMIT_SECONDS = 120.0
TTL_SECONDS = 20  # the shortest that Patroni takes
HOST = "127.0.0.1"


class PatroniError(RuntimeError):
    """Patroni did not do in time what was waited for; the text has the end of a log."""


class Member:
    """One node: Patroni and the PostgreSQL that it runs."""

    def __init__(self, folder: Path, name: str, raft: str) -> None:
        self.name = name
        self.raft = raft
        self.port, self._rest = ports.reserve(), ports.reserve()
        self.folder = folder / name
        self.log = folder / f"{name}.log"
        self._file = self.folder / "patroni.yml"
        self._process: subprocess.Popen[bytes] | None = None

    def configure(self, partners: list[str], password: str) -> None:
        """Write its file; JSON is YAML, too."""
        login = {"username": cluster.ROLE, "password": password}
        address = f"{HOST}:{self.port}"
        settings = {
            "scope": SCOPE,
            "name": self.name,
            "restapi": {
                "listen": f"{HOST}:{self._rest}",
                "connect_address": f"{HOST}:{self._rest}",
            },
            "raft": _raft(self.folder, self.raft, partners),
            "bootstrap": {
                "dcs": {
                    "ttl": TTL_SECONDS,
                    "loop_wait": 2,
                    "retry_timeout": 5,
                    "synchronous_mode": True,
                    "postgresql": {"use_pg_rewind": True},
                },
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}],
            },
            "postgresql": {
                "listen": address,
                "connect_address": address,
                "data_dir": str(self.folder / "data"),
                "bin_dir": str(binaries.find().bin),
                "basebackup": [{"checkpoint": "fast"}],
                "pgpass": str(self.folder / "pgpass"),
                "authentication": {"superuser": login, "replication": login},
                "parameters": {"unix_socket_directories": "", "max_connections": 100},
                "pg_hba": [
                    f"host all all {HOST}/32 scram-sha-256",
                    f"host replication all {HOST}/32 scram-sha-256",
                ],
            },
        }
        _own(self.folder)
        self._file.write_text(json.dumps(settings))

    def start(self) -> None:
        """Start Patroni, which starts PostgreSQL."""
        self._process = _start("patroni", self._file, self.log, self.folder)

    def kill(self) -> None:
        """The whole machine: Patroni first, which would start PostgreSQL again."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        with suppress(FileNotFoundError, psutil.NoSuchProcess, ValueError):
            pid = int((self.folder / "data/postmaster.pid").read_text().split()[0])
            postmaster = psutil.Process(pid)
            gone = [postmaster, *postmaster.children(recursive=True)]
            for each in gone:
                with suppress(psutil.NoSuchProcess):
                    each.kill()
            psutil.wait_procs(gone, timeout=5)

    def ask(self, method: str, path: str, **body: Any) -> requests.Response | None:
        """Patroni's own interface; None when it does not answer."""
        with suppress(requests.RequestException):
            return requests.request(
                method, f"http://{HOST}:{self._rest}/{path}", json=body or None, timeout=30
            )
        return None

    def has(self, role: str) -> bool:
        """Whether Patroni says that it is the `primary`, or the `synchronous` standby."""
        answer = self.ask("GET", role)
        return answer is not None and answer.ok


class Patroni:
    """The cluster. killed: the member that is down."""

    def __init__(self, members: list[Member], password: str) -> None:
        self.members = members
        self.killed: Member | None = None
        hosts = ",".join(f"{HOST}:{member.port}" for member in members)
        login = f"{cluster.ROLE}:{password}"
        self._first = f"postgresql://{login}@{HOST}:{members[0].port}/postgres"
        self.url = f"postgresql://{login}@{hosts}/{DATABASE}?target_session_attrs=read-write"

    def start(self) -> None:
        """The first one makes the database, the second one becomes its synchronous standby."""
        first, second = self.members
        first.start()
        wait_until(lambda: first.has("primary"), first)
        replication.sql(self._first, f"CREATE DATABASE {DATABASE}")
        second.start()
        wait_until(lambda: second.has("synchronous"), second)

    def roles(self) -> tuple[Member, Member]:
        """The primary, and the other one."""
        first, second = self.members
        wait_until(lambda: first.has("primary") or second.has("primary"), first)
        return (first, second) if first.has("primary") else (second, first)


def killed(stage: Stage[Patroni]) -> None:
    """A node is gone with its Patroni; it is given up after TTL_SECONDS, and comes back later."""
    primary, other = stage.database.roles()
    primary.kill()
    wait_until(lambda: other.has("primary"), other)
    stage.watch.wait_for_writes()
    primary.start()
    wait_until(lambda: primary.has("synchronous"), primary)


def switched_over(stage: Stage[Patroni]) -> None:
    """`patronictl switchover`, which calls the same."""
    primary, other = stage.database.roles()
    answer = primary.ask("POST", "switchover", leader=primary.name, candidate=other.name)
    if answer is None or not answer.ok:
        raise PatroniError(f"no switchover: {answer and answer.text}")
    wait_until(lambda: other.has("primary"), other)
    stage.watch.wait_for_writes()
    wait_until(lambda: primary.has("synchronous"), primary)


@contextmanager
def patroni(folder: Path) -> Iterator[Patroni]:
    """A synchronous pair under Patroni for the length of the block."""
    password = secrets.token_urlsafe(24)
    rafts = [f"{HOST}:{ports.reserve()}" for _ in range(3)]
    members = [Member(folder, f"node-{n}", rafts[n - 1]) for n in (1, 2)]
    shutil.rmtree(folder, ignore_errors=True)
    for member in members:
        member.configure([raft for raft in rafts if raft != member.raft], password)
    with ExitStack() as stack:
        stack.enter_context(_witness(folder, rafts))
        for member in members:
            stack.callback(member.kill)
        cluster_ = Patroni(members, password)
        cluster_.start()
        yield cluster_


def missing() -> str | None:
    """Why Patroni cannot run here."""
    python = VENV / "bin/python"
    if not (VENV / ".installed").exists():
        return "Patroni is not installed: `make failover` does it"
    user = binaries.server_user()
    around: Any = {"user": user.pw_uid, "group": user.pw_gid} if os.geteuid() == 0 else {}
    try:
        subprocess.run([python, "-c", ""], check=True, cwd="/", timeout=30, **around)
    except (OSError, subprocess.SubprocessError):
        return f"the user `{user.pw_name}` cannot run {python}"
    return None


def wait_until(fact: Callable[[], bool], member: Member) -> None:
    """PatroniError after LIMIT_SECONDS."""
    if not comes_true(fact, LIMIT_SECONDS):
        raise PatroniError(f"{member.name} is not so far:\n{tail(member.log)}")


@contextmanager
def _witness(folder: Path, rafts: list[str]) -> Iterator[None]:
    """A vote without data, so that one of two may be gone."""
    own, file = folder / "witness", folder / "witness/patroni.yml"
    _own(own)
    file.write_text(json.dumps({"raft": _raft(own, rafts[2], rafts[:2])}))
    process = _start("patroni_raft_controller", file, folder / "witness.log", own)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _raft(folder: Path, own: str, partners: list[str]) -> dict[str, Any]:
    return {"data_dir": str(folder / "raft"), "self_addr": own, "partner_addrs": partners}


def _own(folder: Path) -> None:
    """A folder of the user that PostgreSQL runs as."""
    binaries.readable_by_others(folder.parent)
    folder.mkdir(mode=0o700)
    user = binaries.server_user()
    os.chown(folder, user.pw_uid, user.pw_gid)


def _start(program: str, file: Path, log: Path, folder: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            [VENV / "bin/python", VENV / "bin" / program, file],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=follow_parent(signal.SIGTERM),
            **cluster.surroundings(folder),
        )


CASES = (
    Case("patroni-killed", "Patroni: kill -9 of a node", killed, missing=missing),
    Case("patroni-switched-over", "Patroni: switchover", switched_over, times=2, missing=missing),
)
