"""Which folder has the photos, for installations without a bucket."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.orm import Session

from db import Reader, scalar, write
from db.models import PhotoFolder


def token(reader: Reader) -> str | None:
    """That of the folder which is in use; None as long as none has been named."""
    return _token(reader)


def name(session: Session, token: str, *, now: datetime) -> None:
    """Let the folder with this token be the one, unless another one is: of two that come at once
    the first is it.
    """
    _name(session, token, now)


def replace(session: Session, token: str, *, now: datetime) -> None:
    """Let the folder with this token be the one from now on."""
    _replace(session, token, now)


@scalar
def _token() -> Select[str]:
    return select(PhotoFolder.token)


@write
def _name(token: str, now: datetime) -> Insert:
    return insert(PhotoFolder).values(token=token, named_at=now).on_conflict_do_nothing()


@write
def _replace(token: str, now: datetime) -> Insert:
    new = insert(PhotoFolder).values(single=True, token=token, named_at=now)
    return new.on_conflict_do_update(
        index_elements=["single"], set_={"token": token, "named_at": now}
    )
