"""Tag Users."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from db import reading, transaction
from db.rows import UserRow
from db.types import now, number
from handlers import schemas
from services import idempotency, registration, users
from services.idempotency import Answer
from spec.functions import Reply


def users_register_or_login(body: dict[str, Any], idempotency_key: str | None) -> Reply:
    if idempotency_key is None and (known := _known(body)):
        return schemas.dump(schemas.User, known), 200
    with transaction() as session:

        def register() -> Answer:
            user = registration.register_or_log_in(
                session,
                body["telegramId"],
                username=body.get("username"),
                anon_user_id=body.get("anonUserId"),
                ref_code=body.get("refCode"),
            )
            return Answer(schemas.dump(schemas.User, user), 200)

        answer = idempotency.once(session, "usersRegisterOrLogin", idempotency_key, body, register)
    return answer.body, answer.status, answer.headers


def _known(body: dict[str, Any]) -> UserRow | None:
    """Most visits are by known users and bring nothing to write."""
    with reading() as reader:
        return registration.find_unchanged(
            reader,
            body["telegramId"],
            username=body.get("username"),
            anon_user_id=body.get("anonUserId"),
        )


def users_get_by_id(user_id: str) -> Reply:
    with reading() as reader:
        user = users.get(reader, UUID(user_id))
    return schemas.dump(schemas.User, user), 200


def users_update_consent(user_id: str, body: dict[str, Any]) -> Reply:
    with transaction() as session:
        user = users.set_consent(session, UUID(user_id), body["consentPd"], now=now())
    return schemas.dump(schemas.User, user), 200


def users_update_email(user_id: str, body: dict[str, Any]) -> Reply:
    with transaction() as session:
        user = users.set_email(session, UUID(user_id), body["email"])
    return schemas.dump(schemas.User, user), 200


def users_get_balance(user_id: str) -> Reply:
    with reading() as reader:
        tokens = users.balance(reader, UUID(user_id))
    return {"balanceTokens": number(tokens)}, 200
