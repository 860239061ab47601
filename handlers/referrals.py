"""Tag Referrals."""

from __future__ import annotations

from uuid import UUID

from db import reading
from db.types import number
from handlers import pagination, schemas
from services import referrals, users
from spec.functions import Reply


def referrals_get_link(user_id: str) -> Reply:
    with reading() as reader:
        user = users.get(reader, UUID(user_id))
    return {"refLink": referrals.link(user)}, 200


def referrals_stats(user_id: str) -> Reply:
    with reading() as reader:
        stats = referrals.stats(reader, UUID(user_id))
    return {
        "totalInvited": stats.total_invited,
        "invitedPaidCount": stats.invited_paid_count,
        "refEarned": number(stats.ref_earned),
    }, 200


def referrals_history(user_id: str, limit: int, cursor: str | None) -> Reply:
    with reading() as reader:
        page = referrals.history(reader, UUID(user_id), limit=limit, cursor=cursor)
    headers = pagination.link("referrals/history", page.next_cursor, userId=user_id, limit=limit)
    return schemas.dump_all(schemas.Referral, page.rows), 200, headers
