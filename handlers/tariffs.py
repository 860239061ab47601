"""Tag Tariffs."""

from __future__ import annotations

from db import reading
from handlers import pagination, schemas
from services import tariffs
from spec.functions import Reply


def tariffs_list(limit: int, cursor: str | None) -> Reply:
    with reading() as reader:
        page = tariffs.active(reader, limit=limit, cursor=cursor)
    headers = pagination.link("tariffs", page.next_cursor, limit=limit)
    return schemas.dump_all(schemas.Tariff, page.rows), 200, headers
