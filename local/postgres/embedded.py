"""A real PostgreSQL as a child of this process, for development, tests and the demo.

Its folder holds `data` (or a link to it), `password` and `port` for those who connect,
`server.log`, and two locks: `launcher.lock` belongs to one running launcher, `server.lock` to
the server, which inherits it and so holds it exactly as long as any of its processes lives.
"""

from __future__ import annotations

import fcntl
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

from local import secret_files
from local.postgres import binaries, cluster
from local.postgres.binaries import EmbeddedPostgresError
from local.processes import follow_parent, tail

DATABASE = "livephoto"
LEAVING_SECONDS = 2.0  # a launcher that was just killed
READY_SECONDS = 60.0  # replaying the log after a crash takes time
STOP_SECONDS = 30.0
POLL_SECONDS = 0.03
# Below 32768, where the ports of outgoing connections begin.
PORTS = range(20000, 32000)


class EmbeddedPostgres:
    """The server of one folder; as a context manager it runs for the length of the block.

    extra_config: lines of postgresql.conf that override ours; without them writes are durable.
    start() must be called by a thread that lives as long as the server is needed: Linux stops the
    server when that thread ends, however it ends.
    """

    def __init__(self, folder: Path, *, extra_config: Mapping[str, str] | None = None) -> None:
        self._folder = folder.resolve()
        self.log = self._folder / "server.log"
        self._extra_config = dict(extra_config or {})
        self._locks: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._adopted: int | None = None

    def __enter__(self) -> str:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> str:
        """Start the server, created on the first call, and return the URL of its database.

        EmbeddedPostgresError when it cannot run here, when another launcher has the folder, or
        when another major version created it.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if os.geteuid() == 0:
                # The unprivileged server passes through to its data; it cannot list or read.
                self._folder.chmod(0o711)
            self._lock("launcher.lock", LEAVING_SECONDS, "is being run by another launcher")
            if sys.platform != "linux" and (url := running_url(self._folder)):
                # Elsewhere the server of a killed launcher lives on.
                self._adopted = _postmaster(self._folder)
                return url
            # A server whose launcher was killed may still be shutting down.
            self._lock("server.lock", STOP_SECONDS, "still has a running server")
            return self._launch()
        except PermissionError as error:
            self.stop()
            raise _not_ours(error) from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server cleanly; open transactions are rolled back."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
        elif self._adopted is not None:
            os.kill(self._adopted, signal.SIGINT)
            self._lock("server.lock", STOP_SECONDS, "does not stop")
        self._leave()

    def kill(self) -> None:
        """End the server as a power cut would: anything not yet durable is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._leave()

    @property
    def pid(self) -> int | None:
        """Process id of the server, None while it does not run."""
        return self._process.pid if self._process is not None else self._adopted

    def exit_code(self) -> int | None:
        """None while the server runs."""
        return self._process.poll() if self._process is not None else None

    def _launch(self) -> str:
        programs = binaries.find()
        password = secret_files.remembered(
            self._folder / "password", lambda: secrets.token_urlsafe(24)
        )
        if not (self._folder / "data").exists():
            cluster.make(programs, self._folder, password=password)
        data = cluster.data_folder(self._folder)
        cluster.refuse_other_version(programs, data)
        _forget_unreaped_server(data)
        for _ in range(3):
            port = self._port()
            self._process = self._run(programs.bin / "postgres", data, port)
            if self._is_ready(port, password):
                os.close(self._locks.pop("server.lock"))  # from here on only the server holds it
                _make_database(port, password)
                return _url(port, password)
            if is_free(port):
                break  # not because of the port, which may be taken between check and bind
        raise EmbeddedPostgresError(f"PostgreSQL does not start:\n{tail(self.log)}")

    def _run(self, postgres: Path, data: Path, port: int) -> subprocess.Popen[bytes]:
        config = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
            # Its log is a file that people send around: no statements, which contain names and
            # links, and no DETAIL, which contains rows.
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
            **self._extra_config,
        }
        with self.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 the wheel's program, our arguments
                [postgres, "-D", data, *(f"--{name}={value}" for name, value in config.items())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for us: the server must outlive those who still write to it.
                start_new_session=True,
                preexec_fn=follow_parent(signal.SIGINT),
                pass_fds=[self._locks["server.lock"]],
                **cluster.surroundings(data),
            )

    def _is_ready(self, port: int, password: str) -> bool:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.exit_code() is not None:
                return False
            try:
                _connect(port, password, "postgres").close()
            except psycopg2.OperationalError:
                time.sleep(POLL_SECONDS)
            else:
                return True
        return False

    def _port(self) -> int:
        """The saved port, or a new one if there is none or it has been taken."""
        file = self._folder / "port"
        port = int(secret_files.remembered(file, lambda: str(free_port())))
        if not is_free(port):
            port = free_port()
            file.write_text(str(port))
        return port

    def _lock(self, name: str, seconds: float, trouble: str) -> None:
        file = os.open(self._folder / name, os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() < deadline:
                    time.sleep(POLL_SECONDS)
                    continue
                os.close(file)
                raise EmbeddedPostgresError(f"PostgreSQL of {self._folder} {trouble}") from None
            self._locks[name] = file
            return

    def _leave(self) -> None:
        self._process, self._adopted = None, None
        while self._locks:
            os.close(self._locks.popitem()[1])


def running_url(folder: Path) -> str | None:
    """URL of the server now running in `folder`, None when none answers.

    EmbeddedPostgresError when it belongs to another user.
    """
    try:
        port, password = int((folder / "port").read_text()), (folder / "password").read_text()
        _connect(port, password, DATABASE).close()
    except (FileNotFoundError, psycopg2.OperationalError):
        return None
    except PermissionError as error:
        raise _not_ours(error) from error
    return _url(port, password)


def free_port() -> int:
    """A port of this machine that nothing listens on now."""
    # Two launchers that start at once should not both pick the first free one.
    return next(port for port in random.sample(PORTS, len(PORTS)) if is_free(port))


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _url(port: int, password: str) -> str:
    return f"postgresql+psycopg2://{cluster.ROLE}:{password}@127.0.0.1:{port}/{DATABASE}"


def _connect(port: int, password: str, database: str) -> Any:
    return psycopg2.connect(
        host="127.0.0.1",
        port=port,
        user=cluster.ROLE,
        password=password,
        dbname=database,
        connect_timeout=3,
    )


def _make_database(port: int, password: str) -> None:
    connection = _connect(port, password, "postgres")
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    finally:
        connection.close()


def _postmaster(folder: Path) -> int:
    return int((cluster.data_folder(folder) / "postmaster.pid").read_text().split()[0])


def _forget_unreaped_server(data: Path) -> None:
    """If PID 1 reaps no zombies, a killed server keeps its PID and postmaster.pid looks valid."""
    note = data / "postmaster.pid"
    if not note.exists():
        return
    process = Path("/proc", note.read_text().split()[0], "stat")
    if process.exists() and process.read_text().rpartition(")")[2].split()[0] == "Z":
        note.unlink()


def _not_ours(error: PermissionError) -> EmbeddedPostgresError:
    return EmbeddedPostgresError(
        f"{error.filename} belongs to another user. Run as that user, or set STATE_DIR to "
        "a folder of your own, or set DATABASE_URL."
    )
