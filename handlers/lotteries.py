"""Tag Lotteries."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from db import reading, transaction
from db.types import now
from handlers import pagination, schemas
from services import lotteries
from spec.functions import Reply


def lotteries_current() -> Reply:
    with reading() as reader:
        lottery = lotteries.current(reader, now=now())
    return schemas.dump(schemas.Lottery, lottery), 200


def lotteries_history(limit: int, cursor: str | None) -> Reply:
    with reading() as reader:
        page = lotteries.history(reader, limit=limit, cursor=cursor)
        winners = lotteries.winners_of(reader, [row.id for row in page.rows if row.drawn_at])
    body = [
        schemas.dump(schemas.Lottery, row) | schemas.drawn(row, winners.get(row.id, []))
        for row in page.rows
    ]
    return body, 200, pagination.link("lotteries/history", page.next_cursor, limit=limit)


def lotteries_entry_me(user_id: str) -> Reply:
    with reading() as reader:
        entry = lotteries.entry_of(reader, UUID(user_id), now=now())
    return schemas.dump(schemas.LotteryEntry, entry), 200


def lotteries_submit_social(body: dict[str, Any]) -> Reply:
    with transaction() as session:
        entry = lotteries.submit_social(
            session, UUID(body["userId"]), body["socialLinks"], now=now()
        )
    return schemas.dump(schemas.LotteryEntry, entry), 200
