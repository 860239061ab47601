"""Stored files."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class DataRow(NamedTuple):
    """A stored file: see db.models.Data."""

    id: UUID
    type: str
    status: str
    storage_key: str
    content_type: str
    size_bytes: int | None
    width: int | None
    height: int | None
    faces: int | None
    created_at: datetime
