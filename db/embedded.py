"""A real PostgreSQL as a child of this process, for development, tests and the demo.

Its folder holds `data` (or a link to it), `password` and `port` for those who connect,
`server.log`, and two locks: `launcher.lock` belongs to one living launcher, `server.lock` to
the server, which inherits it and so keeps it exactly as long as any of its processes lives.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg2

from db import binaries
from db.binaries import EmbeddedPostgresError

ROLE = DATABASE = "livephoto"
READY_SECONDS = 60.0  # replaying the log after a crash takes time
STOP_SECONDS = 30.0
READY_POLL_SECONDS = 0.03
# Below 32768, where the ports of outgoing connections begin.
PORTS = range(20000, 32000)
PR_SET_PDEATHSIG = 1


class EmbeddedPostgres:
    """The server of one folder; as a context manager it runs for the length of the block.

    extra_config: settings of postgresql.conf over ours. Writes are durable unless it says else.
    start() must be called by a thread that lives as long as the server is needed: Linux stops the
    server when that thread ends, however it ends.
    """

    def __init__(self, folder: Path, *, extra_config: Mapping[str, str] | None = None) -> None:
        self._folder = folder.absolute()
        self._extra_config = dict(extra_config or {})
        self._locks: list[int] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._adopted = False

    def __enter__(self) -> str:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> str:
        """Start the server, made at the first call, and return the URL of its database.

        EmbeddedPostgresError when it cannot run, another launcher has the folder, or the folder
        was made by another major version.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if os.geteuid() == 0:
                # The server passes through it to its data; the password stays ours.
                self._folder.chmod(0o711)
            self._lock("launcher.lock", 0, "Another launcher runs the PostgreSQL of")
            return self._start()
        except PermissionError as error:
            self._unlock()
            raise EmbeddedPostgresError(
                f"{error.filename} belongs to another user. Run as that user, "
                "set STATE_DIR to a folder of your own, or set DATABASE_URL."
            ) from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server in order: running transactions are rolled back, nothing is lost."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
        elif self._adopted:
            os.kill(int((self._data().joinpath("postmaster.pid").read_text().split())[0]), 2)
            self._lock("server.lock", STOP_SECONDS, "The server does not stop in")
        self._process, self._adopted = None, False
        self._unlock()

    def kill(self) -> None:
        """End the server as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        self._unlock()

    def exit_code(self) -> int | None:
        """None while the server runs."""
        return self._process.poll() if self._process is not None else None

    def _start(self) -> str:
        if sys.platform != "linux" and (url := running_url(self._folder)):
            # Only on Linux does the server follow a launcher that was killed.
            self._adopted = True
            return url
        # A server whose launcher was killed may still be on its way out.
        server_lock = self._lock("server.lock", STOP_SECONDS, "A server still runs in")
        programs = binaries.find()
        password = _remembered(self._folder / "password", lambda: secrets.token_urlsafe(24))
        data = self._data()
        user = binaries.server_user()
        if not data.exists():
            data = _make(programs, self._folder, password=password)
        _refuse_other_version(data, programs.major)
        if os.geteuid() == 0:
            user = _owner(data)
        for _ in range(3):
            port = self._free_port()
            self._process = self._launch(programs, data, port=port, lock=server_lock)
            if self._ready(port, password):
                return _with_database(port, password)
            if _is_free(port):
                break
        raise EmbeddedPostgresError(f"PostgreSQL does not start:\n{self._log_tail()}")
