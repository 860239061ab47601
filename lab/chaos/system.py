"""The system under test: database, two servers, three workers; and the sandbox, which stays up."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from random import Random

import psutil

from lab.chaos.pooled import PooledStack
from local import database, ports
from local.client import is_ready
from local.pgbouncer import Pooler
from local.postgres import throwaway
from local.postgres.embedded import EmbeddedPostgres
from local.processes import ROOT, Child, Program
from local.stack import Stack, StackError
from settings import Settings
from settings.databases import in_psycopg2

LEASE_SECONDS = 4
REMOTE_SECONDS = 90
READY_SECONDS = 60.0
SERVERS = 2
# A worker with the real engine among those whose engine takes milliseconds.
WORKER_ARGUMENTS = (
    ("-m", "lab.chaos.quick_worker", "--real-engine"),
    ("-m", "lab.chaos.quick_worker"),
    ("-m", "lab.chaos.quick_worker"),
)
LINE_START = re.compile(r'(?=\{"level":")')
BUG = re.compile(r'\{"level":"(ERROR|CRITICAL)","logger":"(?!providers\.|workflows\.)')
GUNICORN = ("-m", "gunicorn", "-c", "gunicorn.conf.py")


class Part:
    """A server or worker that may be killed at any moment and started again."""

    def __init__(self, stack: Stack, child: Child, port: int | None = None) -> None:
        self.name = child.program.name
        self.url = f"http://127.0.0.1:{port}"
        self.bugs: list[str] = []
        self._stack = stack
        self._child = child
        self._since = time.monotonic()
        self._down = False

    @property
    def up_seconds(self) -> float:
        """How long it has been running, 0 while it is down."""
        return 0.0 if self._down else time.monotonic() - self._since

    def kill(self) -> None:
        """kill -9 all its processes, engines included."""
        engines = self.processes()[1:]
        self._child.kill()
        for engine in engines:
            _kill(engine)
        psutil.wait_procs(engines, timeout=5)
        self._mark_down()

    def kill_a_process(self, chance: Random) -> bool:
        """kill -9 one of its child processes; whether there was one."""
        if not (processes := self.processes()[1:]):
            return False
        _kill(chance.choice(processes))
        return True

    def stop(self) -> bool:
        """Stop it with SIGTERM, and SIGKILL if need be; whether it stopped by itself in time."""
        in_time = self._child.stop()
        self._mark_down()
        return in_time

    def restart(self, code: Path | None = None) -> None:
        """Start it again, with the code in this folder if one is given."""
        program = self._child.program
        self._child = self._stack.launch(replace(program, folder=code or program.folder))
        self._since, self._down = time.monotonic(), False

    def has_ended(self) -> bool:
        """Whether it is down although nobody stopped it."""
        if self._down or self._child.exit_code() is None:
            return False
        self._child.kill()
        self._mark_down()
        return True

    def processes(self) -> list[psutil.Process]:
        """All its current processes, the parent first."""
        return self._child.processes()

    def wait_until_ready(self) -> None:
        """Wait until this server accepts requests. ChildError."""
        self._child.wait_until(lambda: is_ready(f"{self.url}/api"), READY_SECONDS)

    def collect_bugs(self) -> None:
        """Keep the errors in the log of its current or last process."""
        self.bugs += [f"{self.name}: {line}" for line in bugs_in(self._child.said())]

    def _mark_down(self) -> None:
        self._down = True
        self._stack.children.remove(self._child)
        self.collect_bugs()


class System:
    """All parts, started in `folder`, which is emptied first; stopped when the context ends.

    database_url: of a server that somebody else started; else one is started, too. workers: their
    arguments. code: the folder whose code the parts run, which prepares the database, too.
    pooled: by PgBouncer, which is started with the database.
    """

    def __init__(
        self,
        folder: Path,
        *,
        database_url: str = "",
        workers: Sequence[tuple[str, ...]] = WORKER_ARGUMENTS,
        code: Path = ROOT,
        pooled: bool = False,
        prepare: Callable[[str, Collection[str]], None] = database.prepare,
    ) -> None:
        clear(folder)
        self.folder = folder
        self.files = folder / "files"
        self.work.mkdir()
        settings = Settings(
            database_url=database_url,
            environment="test",  # answers 500 where an answer differs from the contract
            state_dir=folder,
            port=0,
            web_concurrency=2,
            server_threads=4,
            job_lease_seconds=LEASE_SECONDS,
            log_level="WARNING",
            require_consent=True,
            remote_timeout_seconds=REMOTE_SECONDS,
        )
        self._ports = [ports.reserve() for _ in range(SERVERS)]
        self.stack = (PooledStack if pooled else Stack)(
            programs=_programs(self._ports, workers, code),
            prepare=prepare,
            **vars(settings) | {"port": self._ports[0]},
        )

    def __enter__(self) -> System:
        self.stack.start()
        children = {child.program.name: child for child in self.stack.children}
        self.servers = [
            Part(self.stack, children[_server(number)], port)
            for number, port in enumerate(self._ports, 1)
        ]
        self.workers = [
            Part(self.stack, child)
            for name, child in children.items()
            if name.startswith("worker-")
        ]
        for server in self.servers:
            server.wait_until_ready()
        return self

    def __exit__(self, *error: object) -> None:
        self.stack.stop()

    @property
    def work(self) -> Path:
        """Where its programs make temporary files, if TMPDIR says so."""
        return self.folder / "work"

    @property
    def parts(self) -> list[Part]:
        """All that may be killed."""
        return [*self.servers, *self.workers]

    @property
    def postgres(self) -> EmbeddedPostgres:
        """The database server, which is durable as in production."""
        assert self.stack.postgres is not None
        return self.stack.postgres

    @property
    def database_url(self) -> str:
        """Where the audit reads its rows."""
        settings = self.stack.settings
        return in_psycopg2(settings.database_direct_url or settings.database_url)

    @property
    def pooler(self) -> Pooler | None:
        """What stands before the database, if anything does."""
        return self.stack.pooler if isinstance(self.stack, PooledStack) else None

    @contextmanager
    def frozen_postgres(self) -> Iterator[None]:
        """Suspend all processes of the database."""
        postmaster = psutil.Process(self.postgres.pid)
        processes = [postmaster, *postmaster.children(recursive=True)]
        try:
            for process in processes:
                process.suspend()
            yield
        finally:
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    def start_postgres(self) -> None:
        """Start it again after a stop or a kill, at the same address."""
        url = self.postgres.start()
        if url != self.database_url:
            raise RuntimeError("another program has taken the port of the database")

    def restart_ended(self) -> list[str]:
        """Restart parts that ended by themselves, as a service manager does; their names."""
        ended = [part for part in self.parts if part.has_ended()]
        for part in ended:
            part.restart()
        return [part.name for part in ended]

    def bugs(self) -> list[str]:
        """What servers and workers have logged as errors; to be asked once, at the end."""
        for part in self.parts:
            part.collect_bugs()
        return [bug for part in self.parts for bug in part.bugs]

    def recover_payments(self, since: datetime) -> str:
        """What `payments recover` says of money that providers hold and no row knows."""
        try:
            return self.stack.cli("payments", "recover", "--since", since.isoformat()).strip()
        except StackError as waiting:  # exit code 1: something waits for the operator
            return str(waiting).strip()


def clear(folder: Path) -> None:
    """Delete the last run. EmbeddedPostgresError while it still runs."""
    throwaway.remove(folder / "postgres")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _server(number: int) -> str:
    return f"server-{number}"


def _programs(
    ports: Sequence[int], workers: Sequence[tuple[str, ...]], code: Path
) -> tuple[Program, ...]:
    working = (
        Program(f"worker-{number}", arguments, 25, code)
        for number, arguments in enumerate(workers, 1)
    )
    serving = (
        Program(_server(number), (*GUNICORN, "--bind", f"127.0.0.1:{port}"), 35, code)
        for number, port in enumerate(ports, 1)
    )
    return (*working, *serving)


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def bugs_in(log: str) -> list[str]:
    """Log lines about bugs of the product; injected kills and provider faults are not bugs.

    A full disk cuts lines in the middle, and another one follows on the same line.
    """
    lines = [line for whole in log.split("\n")[:-1] for line in LINE_START.split(whole) if line]
    return [line for line in lines if _is_bug(line)]


def _is_bug(line: str) -> bool:
    if line.startswith('{"level":'):
        return BUG.match(line) is not None and "SIGKILL" not in line
    # PostgreSQL's client prints by itself that a connection has been ended.
    return not line.startswith(("FATAL: ", "server closed", "\t"))
