"""One PostgreSQL server of a pair, and all that can happen to its machine."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg2

from local import ports
from local.machines import Machine
from local.postgres import binaries, cluster, replication
from local.postgres.embedded import DATABASE
from local.processes import comes_true, follow_parent, tail

LIMIT_SECONDS = 60.0
# In the file, not among the arguments, which pg_rewind does not see.
CONFIG = """
wal_log_hints = on
wal_keep_size = '1GB'
wal_retrieve_retry_interval = '500ms'
log_error_verbosity = terse
max_connections = 200
"""
ANYBODY = """
host all all 0.0.0.0/0 scram-sha-256
host replication all 0.0.0.0/0 scram-sha-256
"""


class NodeError(RuntimeError):
    """A server did not do in time what was waited for; the text has the end of its log."""


class Node:
    """A server in `folder`, on `machine`. It lives as long as the thread that starts it."""

    def __init__(self, folder: Path, machine: Machine, password: str) -> None:
        self.machine = machine
        self.port = ports.reserve()
        self.folder = folder
        self.log = folder / "server.log"
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None
        self._killed: list[psutil.Process] = []

    @property
    def address(self) -> str:
        """Host and port, as an address of several hosts lists it."""
        return f"{self.machine.address}:{self.port}"

    def url(self, database: str = DATABASE, *, port: int = 0) -> str:
        """Of this server alone."""
        address = f"{self.machine.address}:{port or self.port}"
        return f"postgresql://{cluster.ROLE}:{self._password}@{address}/{database}"

    def sql(self, statement: str, *, database: str = DATABASE) -> Any:
        """The one value that a statement returns here."""
        return replication.sql(self.url(database), statement)

    def create(self) -> None:
        """A new server, started, with an empty database."""
        self._make_folder()
        cluster.make(binaries.find(), self.folder, password=self._password)
        for name, lines in (("postgresql.conf", CONFIG), ("pg_hba.conf", ANYBODY)):
            with (self._data / name).open("a") as file:
                file.write(lines)
        self.start()
        self.sql(f"CREATE DATABASE {DATABASE}", database="postgres")

    def copy(self, source: Node) -> None:
        """A new server that follows another one, started."""
        self._make_folder()
        data = self.folder / "data"
        if source._data.parent != source.folder.resolve():  # where its user may pass through
            data = source._data.with_name(secrets.token_hex(8))
            (self.folder / "data").symlink_to(data)
        data.mkdir(mode=0o700)
        owner = source._data.stat()
        os.chown(data, owner.st_uid, owner.st_gid)
        replication.copy(source.url(), data)
        self.start()

    def start(self, *options: str, port: int = 0) -> None:
        """Start it as its files say: as what it was, or following another one.

        options: further arguments. port: instead of its own, where no customer looks for it.
        """
        self._forget_killed()
        data = self._data
        around: Any = cluster.surroundings(data)
        command: list[str] = []
        if self.machine.namespace:
            command = self.machine.command(around.pop("user"), around.pop("group"))
            around.pop("extra_groups")
        listen = [f"--listen_addresses={self.machine.address}", f"--port={port or self.port}"]
        command += [str(binaries.find().bin / "postgres"), "-D", str(data), *listen]
        command += ["--unix_socket_directories=", *options]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=follow_parent(signal.SIGINT),
                **around,
            )
        self.wait_until(lambda: replication.sql(self.url("postgres", port=port), "SELECT true"))

    def promote(self) -> None:
        """Take the primary's place, with nobody to wait for; return when it takes writes."""
        self.wait_for_nobody()
        if not self.sql("SELECT pg_promote(true, 60)"):
            raise NodeError(f"not promoted:\n{tail(self.log)}")

    def follow(self, source: Node) -> None:
        """Come back as the standby of another one, without what that one never had."""
        self._forget_killed()
        replication.rewind(self._data, source.url())
        self.start()

    def wait_for_standby(self) -> None:
        """From now on each commit waits for the standby. NodeError when there is none."""
        self._wait_for("*")
        state = "SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'"
        self.wait_until(lambda: self.sql(state) == "sync")

    def wait_for_nobody(self) -> None:
        """From now on no commit waits for a standby."""
        self._wait_for("")

    def stop(self) -> None:
        """Stop it in order: what was committed has been sent to the standby."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(LIMIT_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def kill(self) -> None:
        """kill -9 all its processes, as a power cut does, frozen ones too."""
        if self._process is not None:
            processes = self.processes()  # before the first is gone: then nobody knows the others
            for each in processes:
                with suppress(psutil.NoSuchProcess):
                    each.kill()
            self._process.wait()
            self._process, self._killed = None, processes

    def freeze(self) -> None:
        """Stop all its processes where they are; its machine still acknowledges packets."""
        for each in self.processes():
            with suppress(psutil.NoSuchProcess):
                each.suspend()

    def thaw(self) -> None:
        """Let them go on, as if nothing had happened."""
        for each in self.processes():
            with suppress(psutil.NoSuchProcess):
                each.resume()

    def processes(self, kind: str = "") -> list[psutil.Process]:
        """Its processes, or those whose title has `kind`; none when it does not run."""
        if self._process is None or self._process.poll() is not None:
            return []
        first = psutil.Process(self._process.pid)
        known = [first, *first.children(recursive=True)]
        return [each for each in known if not kind or kind in _title(each)]

    def wait_until(self, fact: Callable[[], object]) -> None:
        """NodeError when it ends before that, or takes longer than LIMIT_SECONDS."""

        def is_so() -> bool:
            with suppress(psycopg2.OperationalError):
                if fact():
                    return True
            if self._process is None or self._process.poll() is not None:
                raise NodeError(f"ended:\n{tail(self.log)}")
            return False

        if not comes_true(is_so, LIMIT_SECONDS):
            raise NodeError(f"too late:\n{tail(self.log)}")

    @property
    def _data(self) -> Path:
        return cluster.data_folder(self.folder)

    def _forget_killed(self) -> None:
        """Wait until no process has its memory any more; the new primary did not wait for that."""
        psutil.wait_procs(self._killed, timeout=5)
        self._killed = []

    def _make_folder(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, mode=0o711)

    def _wait_for(self, names: str) -> None:
        self.sql(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
        self.sql("SELECT pg_reload_conf()")


def _title(process: psutil.Process) -> str:
    """Empty for one that has ended meanwhile."""
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""
