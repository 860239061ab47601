"""Stored files."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import (
    CheckConstraint,
    Index,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.models.table import Table, one_of

DATA_TYPES = ("image", "video", "text", "audio")
DATA_PURPOSES = ("unknown", "unused", "photo", "result")


class Data(Table):
    """A stored file: reserved by presign (`pending`), usable once `confirmed`.

    `width` and `height`, pixels, are what the header of an uploaded photo says, before any turning;
    `faces` is how many it shows, once somebody has looked. `purpose`: an upload is `unused` until
    it is ordered with, then a `photo`; what we made is a `result`. That of files from before this
    was noted is unknown. Each has a time of its own.
    """

    __tablename__ = "data"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    type: Mapped[str]
    status: Mapped[str]
    storage_key: Mapped[str] = mapped_column(unique=True)
    content_type: Mapped[str]
    size_bytes: Mapped[int | None]
    width: Mapped[int | None]
    height: Mapped[int | None]
    purpose: Mapped[str] = mapped_column(server_default="unknown")
    faces: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    confirmed_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(one_of("type", DATA_TYPES), "type"),
        CheckConstraint(one_of("status", ("pending", "confirmed", "deleted")), "status"),
        CheckConstraint(one_of("purpose", DATA_PURPOSES), "purpose"),
        CheckConstraint("status <> 'confirmed' OR size_bytes > 0", "confirmed_has_size"),
        Index(
            "ix_data_kept", "purpose", "created_at", postgresql_where=text("status = 'confirmed'")
        ),
        Index("ix_data_pending", "created_at", postgresql_where=text("status = 'pending'")),
        Index(
            "ix_data_purgeable",
            "id",
            postgresql_where=text("status = 'deleted' AND deleted_at IS NULL"),
        ),
    )
