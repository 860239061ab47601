"""Orders and the queue."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from db.models.catalog import EMBEDDED, SERVICE_TYPES
from db.models.data import Data
from db.models.table import Table, in_time, newest, one_of

LIVE_STATUSES = ("waiting_payment", "queued", "processing")
JOB_STATUSES = (*LIVE_STATUSES, "done", "failed")
ERROR_CODE = "(meta #>> '{error,code}')"  # why a job failed
# How many photos of an order were delivered; a photo that failed has no dataId in the output.
DELIVERED = "jsonb_array_length(jsonb_path_query_array(output, '$[*].dataId'))"


class Job(Table):
    """An order, and its place in the queue: workers claim rows of this table.

    `photos` is how many results were ordered, and `price_tokens` the price of all of them.
    `results` is what became of the first photos while the job is live, each either stored or
    failed: the next attempt goes on after them. `attempt` is the fencing token: every write of a
    worker names the attempt it was given. `releases` counts attempts that used up no try of the
    photo at hand: given back unfinished, or made for the photos before it. `engine` is whose queue
    it is in: a job of the embedded engine is leased by a worker, one of a remote engine is in
    `processing` without a lease while it has an open row in generation_attempts. `request_id` is
    in the log line of the request that ordered it, `started_at` when work on it first began.
    """

    __tablename__ = "jobs"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    # jobs.create gets it with nextval() before the INSERT, so that the response need not wait for
    # the row.
    number: Mapped[int] = mapped_column(Identity(always=False, start=1001), unique=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    model_id: Mapped[UUID] = mapped_column(ForeignKey("generation_models.id"))
    engine: Mapped[str] = mapped_column(server_default=EMBEDDED)
    service_type: Mapped[str]
    status: Mapped[str]
    description: Mapped[str | None]
    client_ref: Mapped[str | None]
    price_tokens: Mapped[Decimal]
    price_rub: Mapped[Decimal]
    tokens_reserved: Mapped[Decimal] = mapped_column(server_default="0")
    tokens_consumed: Mapped[Decimal] = mapped_column(server_default="0")
    photos: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    input: Mapped[list[dict[str, Any]]]
    results: Mapped[list[dict[str, Any]]] = mapped_column(server_default=text("'[]'"))
    output: Mapped[list[dict[str, Any]]] = mapped_column(server_default=text("'[]'"))
    result_data_id: Mapped[UUID | None] = mapped_column(ForeignKey("data.id"))
    progress: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    meta: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    attempt: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    releases: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    run_at: Mapped[datetime] = mapped_column(server_default=func.now())
    lease_until: Mapped[datetime | None]
    worker: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    request_id: Mapped[str | None]
    traceparent: Mapped[str | None]

    result: Mapped[Data | None] = relationship(lazy="raise")

    __table_args__ = (
        CheckConstraint(one_of("service_type", SERVICE_TYPES), "service_type"),
        CheckConstraint(one_of("status", JOB_STATUSES), "status"),
        CheckConstraint("progress BETWEEN 0 AND 100", "progress"),
        CheckConstraint("releases BETWEEN 0 AND attempt", "releases"),
        CheckConstraint("char_length(description) <= 300", "description"),
        CheckConstraint("char_length(client_ref) <= 200", "client_ref"),
        CheckConstraint(
            "tokens_reserved = CASE WHEN status IN ('queued', 'processing')"
            " THEN price_tokens ELSE 0 END",
            "reserved_while_live",
        ),
        CheckConstraint(
            "tokens_consumed = CASE WHEN status = 'done'"
            f" THEN price_tokens / photos * {DELIVERED} ELSE 0 END",
            "consumed_when_done",
        ),
        CheckConstraint(
            "photos >= 1 AND price_tokens % photos = 0"
            " AND (photos = 1 OR photos = jsonb_array_length(input))",
            "photos",
        ),
        CheckConstraint("jsonb_array_length(results) < photos", "results"),
        CheckConstraint(
            "jsonb_array_length(output) = CASE WHEN status = 'done' THEN photos ELSE 0 END",
            "output_when_done",
        ),
        CheckConstraint(
            f"(status = 'processing' AND engine = '{EMBEDDED}') = (lease_until IS NOT NULL)",
            "lease",
        ),
        CheckConstraint("(status = 'done') <= (result_data_id IS NOT NULL)", "done_has_result"),
        Index("ix_jobs_user_newest", "user_id", newest("number")),
        Index(
            "ix_jobs_waiting",
            "user_id",
            "number",
            postgresql_where=text("status = 'waiting_payment'"),
        ),
        # The operator's lists.
        Index("ix_jobs_newest", "created_at", "number"),
        Index(
            "ix_jobs_live",
            "status",
            "created_at",
            "number",
            postgresql_where=text(one_of("status", LIVE_STATUSES)),
        ),
        Index("ix_jobs_failed", "created_at", "number", postgresql_where=text("status = 'failed'")),
        Index(
            "ix_jobs_failed_code",
            text(ERROR_CODE),
            "created_at",
            "number",
            postgresql_where=text("status = 'failed'"),
        ),
        Index(
            "ix_jobs_worker",
            "worker",
            "created_at",
            "number",
            postgresql_where=text("worker IS NOT NULL"),
        ),
        Index("ix_jobs_request", "request_id", postgresql_using="hash"),
        Index("ix_jobs_unpaid", "created_at", postgresql_where=text("status = 'waiting_payment'")),
        Index(
            "ix_jobs_live_input",
            "input",
            postgresql_using="gin",
            postgresql_ops={"input": "jsonb_path_ops"},
            postgresql_with={"fastupdate": False},
            postgresql_where=text(one_of("status", LIVE_STATUSES)),
        ),
        Index(
            "ix_jobs_queued",
            "run_at",
            "number",
            postgresql_where=text(f"status = 'queued' AND engine = '{EMBEDDED}'"),
        ),
        Index(
            "ix_jobs_queued_remote",
            "engine",
            "run_at",
            "number",
            postgresql_where=text(f"status = 'queued' AND engine <> '{EMBEDDED}'"),
        ),
        Index("ix_jobs_leased", "lease_until", postgresql_where=text("status = 'processing'")),
        Index("ix_jobs_failed_at", "finished_at", postgresql_where=text("status = 'failed'")),
        in_time("ix_jobs_finished", "finished_at"),
        Index(
            "ix_jobs_result", "result_data_id", postgresql_where=text("result_data_id IS NOT NULL")
        ),
    )
