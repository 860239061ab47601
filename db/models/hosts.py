"""What several processes and hosts must agree on."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from db.models.table import Table


class RateWindow(Table):
    """How often somebody was counted in their minute; used with RATE_LIMIT_STORE=database.

    Unlogged: after a crash or on a standby it is empty, and everybody begins a new minute. `key` is
    a hash of whom the requests are about. No index on `ends_at`: an update would have to move the
    row in it, and the table has no more rows than people who were active within a minute.
    """

    __tablename__ = "rate_windows"

    key: Mapped[UUID] = mapped_column(primary_key=True)
    used: Mapped[int]
    ends_at: Mapped[datetime]

    __table_args__ = ({"prefixes": ["UNLOGGED"]},)


class PhotoFolder(Table):
    """Which folder has the photos, where no bucket does: one row, the token in that folder."""

    __tablename__ = "photo_folder"

    single: Mapped[bool] = mapped_column(primary_key=True, server_default="true")
    token: Mapped[str]
    named_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (CheckConstraint("single", "one_row"),)
