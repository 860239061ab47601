"""Several hosts must have the same photos: a bucket, or one folder that all of them see.

Without that, half of all links and forms are refused, and a worker elsewhere finds no photo and
ends the order. Each folder has a token, and the database says which one is in use.
"""

from __future__ import annotations

import logging
from typing import cast

import settings
from db import close_connections, reading, transaction
from db.types import now
from providers import registry
from providers.storage.disk import DiskStorage
from services import photo_folder
from services.audit import Entry
from workflows.actions import recorded

log = logging.getLogger(__name__)

ADVICE = (
    "STATE_DIR: its photos are not those that this database knows. Several hosts need a bucket"
    " (S3_BUCKET), or one shared file system as STATE_DIR/files. If the photos were moved here,"
    " and no other host serves them: python cli.py storage adopt"
)


class OtherFolderError(Exception):
    """Photos of this installation are somewhere else; the text has the setting and its fix."""

    def __init__(self) -> None:
        super().__init__(ADVICE)


def require_ours() -> None:
    """OtherFolderError in production when this host keeps photos in a folder of its own.

    The first one that asks names the folder. ApiError when the database or the disk is away.
    """
    current = settings.load()
    if current.s3_bucket or not current.production:
        return
    token = _folder().token()
    with reading() as reader:
        named = photo_folder.token(reader)
    if named is None:
        with transaction() as session:
            photo_folder.name(session, token, now=now())
            named = photo_folder.token(session)
    if named != token:
        raise OtherFolderError


def refusal() -> str | None:
    """Why a server must not start at all; to be asked before it forks its processes."""
    try:
        require_ours()
    except OtherFolderError as elsewhere:
        return str(elsewhere)
    except Exception as error:  # no database, no tables, no disk: readiness tells when there are
        log.warning("photo folder not checked before the start: %s", error)
    finally:
        close_connections()  # none is taken along to the processes
    return None


def adopt() -> bool:
    """Let this host's folder be the one; False where photos are in a bucket."""
    if settings.load().s3_bucket:
        return False
    token = _folder().token()
    with recorded(Entry("storage.adopt")) as session:
        photo_folder.replace(session, token, now=now())
    return True


def _folder() -> DiskStorage:
    return cast(DiskStorage, registry.storage())
