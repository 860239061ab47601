"""Files and rows after the restore: photos newer than the database, older ones that are gone."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Data
from lab.chaos import audit
from lab.chaos.audit import Check
from providers.storage.disk import DiskStorage

if TYPE_CHECKING:
    from lab.restore.run import World

GONE = 3  # deleted after the moment, as a duty or an erasure would have
AGE_SECONDS = 3 * 24 * 3600.0


def look_at_files(world: World) -> None:
    """Name what is gone, delete what no row knows, and nothing else."""
    with world.session() as session:
        world.checks += _look(world, session)


def _look(world: World, session: Session) -> Iterator[Check]:
    folder, cli = world.system.files, world.system.stack.cli
    known = select(Data.id, Data.storage_key).where(
        Data.id.in_(world.known["upload"]), Data.status == "confirmed"
    )
    gone = session.execute(known.order_by(Data.id).limit(GONE)).all()
    for _, key in gone:
        DiskStorage(folder, base_url="").delete(key)
    named = {line.split()[0] for line in cli("files", "missing").splitlines()[:-1]}
    wrong = [f"{each} is named or not" for each in named ^ {str(row.id) for row in gone}]
    yield Check("a file that is gone is named", len(gone), wrong)

    long_ago = time.time() - AGE_SECONDS
    for path in (folder / "objects").rglob("*.data"):
        os.utime(path, (long_ago, long_ago))
    orphans = set(cli("files", "orphans").splitlines()[:-1])
    unknown = {
        os.path.basename(path).partition(".")[0] for path in audit.orphans(session, folder)[1]
    }
    wrong = [f"{each} is named or not" for each in orphans ^ unknown]
    yield Check("a file that no row knows is named", len(unknown), wrong)
    cli("files", "orphans", "--delete", "--even-most")
    left = audit.orphans(session, folder)[1]
    yield Check("and is deleted", len(unknown), left)
    store = DiskStorage(folder, base_url="")
    kept = session.scalars(select(Data.storage_key).where(Data.status == "confirmed"))
    expected = set(kept) - {row.storage_key for row in gone}
    lost = [key for key in expected if store.head(key) is None]
    yield Check("a file that a row knows is kept", len(expected), lost)
