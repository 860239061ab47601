"""Tag Jobs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from db import reading, transaction
from errors import ApiError
from handlers import pagination, schemas
from providers import fetch
from services import idempotency, jobs, waiting
from services.idempotency import Answer
from spec.functions import Reply
from spec.waits import JobChanges, NotYet


def jobs_create(body: dict[str, Any], idempotency_key: str | None) -> Reply:
    _refuse_urls_that_are_not_public(body["input"])
    with transaction() as session:

        def create() -> Answer:
            job = jobs.create(
                session,
                UUID(body["userId"]),
                service_type=body["serviceType"],
                input=body["input"],
                description=body.get("description"),
                model_id=UUID(body["modelId"]) if "modelId" in body else None,
                client_ref=body.get("clientRef"),
            )
            return Answer(schemas.dump(schemas.Job, job), 201)

        answer = idempotency.once(session, "jobsCreate", idempotency_key, body, create)
    return answer.body, answer.status, answer.headers


def _refuse_urls_that_are_not_public(items: list[dict[str, Any]]) -> None:
    """ApiError `bad_request` that names each input whose `url` no worker would ever fetch."""
    refused = {
        f"input.{index}.url": "is not a public web address"
        for index, item in enumerate(items)
        if "url" in item and fetch.is_surely_refused(item["url"])
    }
    if refused:
        raise ApiError("bad_request", details=refused)


def jobs_list(user_id: str, limit: int, cursor: str | None) -> Reply:
    with reading() as reader:
        page = jobs.of_user(reader, UUID(user_id), limit=limit, cursor=cursor)
    headers = pagination.link("jobs", page.next_cursor, userId=user_id, limit=limit)
    return schemas.dump_all(schemas.Job, page.rows), 200, headers


def jobs_get(job_id: str, wait: int) -> Reply:
    with reading() as reader:
        job = jobs.get(reader, UUID(job_id))
        if wait and job.status not in jobs.ENDED:
            raise NotYet(JobChanges(job.id, job.status, job.progress), wait)
        outlook = waiting.outlook(reader, job)
    return schemas.dump(schemas.Job, job) | schemas.expected(outlook), 200


def jobs_cancel(job_id: str) -> Reply:
    with transaction() as session:
        job = jobs.cancel(session, UUID(job_id))
    return schemas.dump(schemas.Job, job), 200
