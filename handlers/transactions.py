"""Tag Transactions."""

from __future__ import annotations

from uuid import UUID

from db import reading
from handlers import pagination, schemas
from services import ledger
from spec.functions import Reply


def transactions_list(user_id: str, limit: int, cursor: str | None) -> Reply:
    with reading() as reader:
        page = ledger.history(reader, UUID(user_id), limit=limit, cursor=cursor)
    headers = pagination.link("transactions", page.next_cursor, userId=user_id, limit=limit)
    return schemas.dump_all(schemas.Transaction, page.rows), 200, headers
