"""Customers' pictures on a page: nothing of them is sent before an operator opens them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from db.rows import DataRow, JobRow
from providers import registry
from services import data

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

LINK_SECONDS = 600  # an operator looks at them now


class Picture(NamedTuple):
    """A file that can be shown: its signed link, and whether it is a video."""

    address: str
    is_video: bool


class Pair(NamedTuple):
    """A photo of an order and what became of it; None for what is not there, or no more."""

    number: int
    job_id: str
    before: Picture | None
    after: Picture | None


def of_jobs(session: Session, jobs: Iterable[JobRow[Any]]) -> list[Pair]:
    """Photos and results of orders, photo by photo."""
    # Nothing is there of an order that is not done.
    pairs = [(job, *ids) for job in jobs for ids in zip_longest(_ids(job.input), _ids(job.output))]
    wanted = [each for _, *ids in pairs for each in ids if each is not None]
    files = data.of_ids(session, wanted)
    return [
        Pair(job.number, str(job.id), _picture(before, files), _picture(after, files))
        for job, before, after in pairs
    ]


def _ids(items: list[dict[str, Any]]) -> list[UUID | None]:
    """Ids of files by their place; None for a photo from a stranger's address, or none."""
    return [UUID(item["dataId"]) if item.get("dataId") else None for item in items]


def _picture(data_id: UUID | None, files: dict[UUID, DataRow]) -> Picture | None:
    file = None if data_id is None else files.get(data_id)
    if file is None or file.status != "confirmed" or file.type not in ("image", "video"):
        return None
    address = registry.storage().url(
        file.storage_key, expires_in=LINK_SECONDS, content_type=file.content_type
    )
    return Picture(address, file.type == "video")
