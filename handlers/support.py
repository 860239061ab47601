"""Tag Support."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from db import transaction
from db.types import now
from handlers import schemas
from services import idempotency, support
from services.idempotency import Answer
from spec.functions import Reply


def support_requests_create(body: dict[str, Any], idempotency_key: str | None) -> Reply:
    with transaction() as session:

        def create() -> Answer:
            made = support.create(
                session,
                UUID(body["userId"]),
                topic=body["topic"],
                message=body["message"],
                payment_id=UUID(body["paymentId"]) if "paymentId" in body else None,
                job_id=UUID(body["jobId"]) if "jobId" in body else None,
                client_ref=body.get("clientRef"),
                now=now(),
            )
            return Answer(schemas.dump(schemas.SupportRequest, made), 201)

        answer = idempotency.once(session, "supportRequestsCreate", idempotency_key, body, create)
    return answer.body, answer.status, answer.headers
