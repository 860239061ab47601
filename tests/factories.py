"""Creates rows that tests start from: one function per table, with defaults for all values."""

from __future__ import annotations

import io
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from db import transaction
from db.models import Data, Review
from db.rows import DataRow, JobRow, UserRow
from db.types import now
from providers import registry
from services import data, grants, jobs, registration, users

_telegram_ids = count(10_000_000)


def make_user(tokens: Decimal | int = 0, **overrides: Any) -> UserRow:
    """A registered user with `tokens` to spend."""
    with transaction() as session:
        user = registration.register_or_log_in(
            session, overrides.pop("telegram_id", str(next(_telegram_ids))), **overrides
        )
        if tokens:
            grants.grant(session, user.id, Decimal(tokens), key=uuid4().hex, reason="test")
            user = users.get(session, user.id)
    return user


def make_image(**overrides: Any) -> Data:
    """A confirmed picture; its bytes are not in storage."""
    with transaction() as session:
        data_id = data.reserve(session, "image", content_type="image/jpeg", now=now()).id
        data.confirm(session, data_id, content_type="image/jpeg", size_bytes=1000, now=now())
        row = session.get_one(Data, data_id)
        for name, value in overrides.items():
            setattr(row, name, value)
    return row


def stored_image(content: bytes) -> DataRow:
    """A confirmed picture whose bytes are in storage."""
    with transaction() as session:
        row = data.reserve(session, "image", content_type="image/jpeg", now=now())
    registry.storage().put(row.storage_key, io.BytesIO(content), content_type="image/jpeg")
    with transaction() as session:
        return data.confirm(
            session, row.id, content_type="image/jpeg", size_bytes=len(content), now=now()
        )


def make_job(
    user_id: UUID, service_type: str = "restore", *, photos: int = 1, **overrides: Any
) -> JobRow[UUID]:
    """An order for one picture, or for several, the same each time if `data_id` is given."""
    picture = overrides.pop("data_id", None)
    ids = [picture or make_image().id for _ in range(photos)]
    with transaction() as session:
        return jobs.create(
            session,
            user_id,
            service_type=service_type,
            input=[{"type": "image", "dataId": str(each)} for each in ids],
            **overrides,
        )


def balance(user_id: UUID) -> Decimal:
    """What the user can spend now."""
    with transaction() as session:
        return users.get(session, user_id).balance_tokens


def held_review(words: str = "") -> UUID:
    """A review that waits for the operator."""
    with transaction() as session:
        review = Review(
            chat="-1001",
            message_id=uuid4().int % 10**9,
            author_telegram_id="501",
            text_sha256=words or uuid4().hex,
            prose_length=80,
            state="held",
            posted_at=now(),
        )
        session.add(review)
        session.flush()
        return review.id
