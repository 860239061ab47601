"""A PostgreSQL whose log is archived by pgBackRest as deploy/backup has it, and its restore."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg2

from local import ports
from local.postgres import binaries, cluster
from local.processes import ROOT, tail

DEPLOY = ROOT / "deploy/backup"
STANZA = "livephoto"
DATABASE = "livephoto"
# pgBackRest reads the control file, whose form is another one in each version of PostgreSQL.
KNOWS_18 = (2, 57)
DEBIAN = Path("/usr/lib/postgresql/15/bin")
COMMAND_SECONDS = 120
READY_SECONDS = 30


class MissingProgramError(RuntimeError):
    """A program is not installed; the text says which."""


@dataclass(frozen=True)
class Programs:
    """pgBackRest and the newest PostgreSQL that this one can read."""

    pgbackrest: Path
    postgres: Path


def programs() -> Programs:
    """What is installed here. MissingProgramError."""
    if (found := shutil.which("pgbackrest")) is None:
        raise MissingProgramError("pgbackrest is not installed")
    said = subprocess.run(  # noqa: S603 the program that was found
        [found, "version"], capture_output=True, text=True, check=True
    ).stdout
    version = tuple(int(part) for part in re.findall(r"\d+", said)[:2])
    if version >= KNOWS_18:
        return Programs(Path(found), binaries.find().bin)
    if not (DEBIAN / "postgres").exists():
        raise MissingProgramError(f"{said.strip()} needs PostgreSQL 15 in {DEBIAN}")
    return Programs(Path(found), DEBIAN)


class ArchivedPostgres:
    """A durable server in `folder`, which other users can pass through; stop() or kill() it.

    archive_seconds: how long a change stays unarchived at most.
    """

    def __init__(self, folder: Path, *, archive_seconds: int) -> None:
        self.data = folder / "postgres" / "data"
        self.log = folder / "postgres" / "server.log"
        self._programs = programs()
        self._folder = folder / "postgres"
        self._port = ports.reserve()
        self._password = secrets.token_urlsafe(24)
        self._make(archive_seconds)

    @property
    def url(self) -> str:
        """Of its database."""
        password = self._password
        return f"postgresql://{cluster.ROLE}:{password}@127.0.0.1:{self._port}/{DATABASE}"

    def start(self) -> None:
        """Start it and wait until it takes writes."""
        self._run("pg_ctl", "--wait", "--pgdata", self.data, "--log", self.log, "start")

    def stop(self) -> None:
        """Stop it, if it runs."""
        if (self.data / "postmaster.pid").exists():
            self._run("pg_ctl", "--pgdata", self.data, "--mode=fast", "--wait", "stop")

    def lose(self) -> None:
        """The machine is lost: nothing is flushed, and what was not archived is gone."""
        self._run("pg_ctl", "--pgdata", self.data, "--mode=immediate", "--wait", "stop")

    def back_up(self) -> None:
        """A full backup; the first one makes the repository, too."""
        self._run("pgbackrest", f"--stanza={STANZA}", "stanza-create")
        self._run("pgbackrest", f"--stanza={STANZA}", "--type=full", "backup")

    def restore(self, moment: datetime, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Restore with the command of docs/backup.md; it runs afterwards."""
        text = moment.strftime("%Y-%m-%d %H:%M:%S.%f+00")
        return self._run(DEPLOY / "restore.sh", text, check=check)

    def now(self) -> datetime:
        """The time of the database, after all that was committed."""
        with psycopg2.connect(self.url) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            moment: datetime = cursor.fetchall()[0][0]
        connection.close()
        return moment

    def archive(self) -> None:
        """Wait until all that was written so far is in the archive."""
        connection = psycopg2.connect(self.url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_walfile_name(pg_switch_wal())")
            (last,) = cursor.fetchone() or ("",)
            deadline = time.monotonic() + READY_SECONDS
            while time.monotonic() < deadline:
                cursor.execute("SELECT last_archived_wal >= %s FROM pg_stat_archiver", [last])
                if cursor.fetchone() == (True,):
                    break
                time.sleep(0.1)
            else:
                raise RuntimeError(f"{last} is not archived:\n{tail(self.log)}")
        connection.close()

    def _make(self, archive_seconds: int) -> None:
        self._folder.mkdir(mode=0o755, parents=True)
        for name in ("data", "repository", "spool", "conf.d"):
            (self._folder / name).mkdir(mode=0o700)
        self._configure()
        self._give_to_server()
        self._run(
            *("initdb", "--pgdata", self.data, "--username", cluster.ROLE, "--encoding=UTF8"),
            *("--locale=C", "--auth-local=trust", "--auth-host=scram-sha-256", "--no-instructions"),
        )
        lines = (DEPLOY / "postgresql.conf").read_text("utf-8") + (
            f"archive_timeout = {archive_seconds}\n"
            f"port = {self._port}\nlisten_addresses = '127.0.0.1'\n"
            f"unix_socket_directories = '{self._folder}'\ntimezone = 'UTC'\n"
        )
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(lines)
        self.start()
        connection = psycopg2.connect(
            host=str(self._folder), port=self._port, user=cluster.ROLE, dbname="postgres"
        )
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER ROLE {cluster.ROLE} PASSWORD %s", [self._password])
            cursor.execute(f"CREATE DATABASE {DATABASE}")
        connection.close()

    def _configure(self) -> None:
        """The files of deploy/backup, for folders of our own."""
        here: dict[str, dict[str, object]] = {
            "pgbackrest.conf": {"spool-path": self._folder / "spool", "pg1-path": self.data},
            "disk.conf": {
                "repo1-path": self._folder / "repository",
                "repo1-cipher-pass": secrets.token_urlsafe(48),
            },
        }
        for name, changes in here.items():
            text = (DEPLOY / name).read_text("utf-8")
            for key, value in changes.items():
                text = re.sub(rf"(?m)^{key}=.*$", f"{key}={value}", text)
            file = self._folder / ("conf.d/disk.conf" if name == "disk.conf" else name)
            file.write_text(text, "utf-8")
            file.chmod(0o600)
        more = f"[{STANZA}]\npg1-socket-path={self._folder}\npg1-port={self._port}\n"
        more += f"pg1-user={cluster.ROLE}\n[global]\nlock-path={self._folder}/spool\n"
        (self._folder / "conf.d/here.conf").write_text(more, "utf-8")

    def _give_to_server(self) -> None:
        if os.geteuid() == 0:
            user = binaries.server_user()
            for path in (self._folder, *self._folder.rglob("*")):
                os.chown(path, user.pw_uid, user.pw_gid)

    def _run(
        self, program: str | Path, *arguments: str | Path, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        around = cluster.surroundings(self.data)
        around["env"] |= {
            "PATH": f"{self._programs.postgres}:{self._programs.pgbackrest.parent}:/usr/bin:/bin",
            "PGBACKREST_CONFIG": str(self._folder / "pgbackrest.conf"),
            "PGBACKREST_CONFIG_INCLUDE_PATH": str(self._folder / "conf.d"),
            "PGDATA": str(self.data),
        }
        outcome = subprocess.run(  # noqa: S603 PostgreSQL's and pgBackRest's programs, our arguments
            [program, *arguments],
            text=True,
            # What PostgreSQL leaves running must not hold a pipe open.
            stdout=(said := (self._folder / "said").open("w+")),
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS,
            check=False,
            **around,
        )
        said.seek(0)
        outcome.stdout = said.read()
        said.close()
        if check and outcome.returncode != 0:
            raise RuntimeError(f"{program} {' '.join(map(str, arguments))}:\n{outcome.stdout}")
        return outcome
