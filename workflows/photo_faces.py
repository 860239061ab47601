"""How many faces a photo shows, for a warning before anybody pays."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from db import transaction
from db.rows import DataRow
from errors import ApiError
from providers import registry
from providers.engine import EngineError
from providers.storage import ObjectMissing
from services import data

log = logging.getLogger("workflows")

LONGEST_SECONDS = 15.0  # on a machine that is busy with everything else
# A child takes a processor and a hundred megabytes for half a second. Nobody waits for another's.
_ONE_CHILD = threading.Semaphore(1)


def look(photo: DataRow) -> DataRow:
    """The photo with its faces counted; as it is when that was done before, when this process looks
    at another one, or when its pixels cannot be read, which its order will say.

    StorageUnavailable; ApiError `data_not_found`.
    """
    if photo.type != "image" or photo.faces is not None:
        return photo
    if not _ONE_CHILD.acquire(blocking=False):
        return photo
    try:
        faces = _count(photo.storage_key)
    except EngineError as error:
        log.info("faces are not counted: %s", error, extra={"data_id": str(photo.id)})
        return photo
    except ObjectMissing as error:
        raise ApiError("data_not_found", details={"dataId": str(photo.id)}) from error
    finally:
        _ONE_CHILD.release()
    with transaction() as session:
        return data.note_faces(session, photo.id, faces)


def _count(storage_key: str) -> int:
    deadline = time.monotonic() + LONGEST_SECONDS
    with TemporaryDirectory(prefix="livephoto-look-") as folder:
        source = Path(folder) / "photo"
        with registry.storage().open(storage_key) as stored, source.open("wb") as file:
            shutil.copyfileobj(stored, file)
        return registry.engine(registry.EMBEDDED).count_faces(
            source, workdir=Path(folder), should_stop=lambda: time.monotonic() > deadline
        )
