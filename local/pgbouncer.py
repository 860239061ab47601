"""PgBouncer in front of a PostgreSQL of this machine, as deploy/pgbouncer ships it."""

from __future__ import annotations

import configparser
import os
import pwd
import shutil
import signal
import socket
from contextlib import closing
from pathlib import Path

import psycopg2
from sqlalchemy.engine import URL, make_url

from local import ports
from local.processes import PR_SET_PDEATHSIG, ROOT, Child, Program
from settings.databases import plain

SHIPPED = ROOT / "deploy/pgbouncer/pgbouncer.ini"
# Debian puts it where only root looks.
PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
START_SECONDS = 20
STOP_SECONDS = 5
NOBODY = "nobody"  # whom root's PgBouncer becomes
# As Python's program, so that it ends with this process however that ends. Linux forgets that at
# a change of user, so it is said again.
RUN = f"""
import ctypes, os, pwd, signal, sys
if os.geteuid() == 0:
    user = pwd.getpwnam("{NOBODY}")
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl({PR_SET_PDEATHSIG}, signal.SIGTERM)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Pooler:
    """PgBouncer on a port of its own, in transaction mode; runs for the length of a block.

    folder: others may look through it, see throwaway.state_folder(). server: URL of PostgreSQL,
    which decides the role; any database of it can be reached. changes: to the shipped file.
    """

    def __init__(self, folder: Path, server: str, **changes: object) -> None:
        self._folder = folder
        self._port = ports.reserve()
        self._changes = changes
        self._config = folder / "pgbouncer.ini"
        self._child: Child
        self._server = make_url(server)
        folder.mkdir(parents=True, exist_ok=True)
        self._write()

    def __enter__(self) -> Pooler:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """URL of the same database by way of the pooler."""
        return self._to(self._server.database).render_as_string(hide_password=False)

    def start(self) -> None:
        """Return when it listens. ChildError."""
        program = Program("pgbouncer", ("-c", RUN, str(PROGRAM), str(self._config)), STOP_SECONDS)
        self._child = Child(program, environ={}, logs=self._folder)
        self._child.wait_until(self._listens, START_SECONDS)

    def stop(self) -> None:
        """Stop it, with the sessions that it has open."""
        self._child.stop()

    def kill(self) -> None:
        """End it without a word to anybody."""
        self._child.kill()

    def freeze(self) -> None:
        """Let it take connections and answer nobody."""
        self._child.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._child.send_signal(signal.SIGCONT)

    def lead_to(self, server: str) -> None:
        """Send clients to another server from now on; sessions with the old one are left."""
        self._server = make_url(server)
        self._write()
        self.command("RELOAD")

    def command(self, words: str) -> list[tuple[str, ...]]:
        """One command of its console, such as PAUSE, and the rows that it shows."""
        address = self._to("pgbouncer").render_as_string(hide_password=False)
        with closing(psycopg2.connect(plain(address))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(words)
                return cursor.fetchall() if cursor.description else []

    def _to(self, database: str | None) -> URL:
        return self._server.set(host="127.0.0.1", port=self._port, database=database)

    def _write(self) -> None:
        config = configparser.ConfigParser(interpolation=None, delimiters=("=",))
        config.read(SHIPPED, "utf-8")
        users = self._folder / "userlist.txt"
        _keep(users, f'"{self._server.username}" "{self._server.password}"\n')
        config["databases"] = {"*": f"host={self._server.host} port={self._server.port}"}
        own = {"listen_addr": "127.0.0.1", "listen_port": self._port, "auth_file": users}
        for name, value in {**own, **self._changes}.items():
            config["pgbouncer"][name] = str(value)
        with self._config.with_suffix(".new").open("w", encoding="utf-8") as file:
            config.write(file)
        _keep(self._config, self._config.with_suffix(".new").read_text("utf-8"))

    def _listens(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self._port)) == 0


def _keep(file: Path, text: str) -> None:
    """Write a file that only PgBouncer and we can read."""
    file.touch(mode=0o600)
    file.write_text(text, "utf-8")
    if os.geteuid() == 0:
        shutil.chown(file, NOBODY, pwd.getpwnam(NOBODY).pw_gid)
