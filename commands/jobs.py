"""Orders and the queue."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import click

from commands.engines import orders_table
from commands.shapes import row_limit, table
from db import snapshot
from db.rows import JobRow, ListedJob
from services import attempts, jobs, listed_jobs, queue
from services.audit import Entry
from workflows.actions import recorded


@click.group("jobs")
def jobs_group() -> None:
    """Orders and the queue."""


@jobs_group.command("list")
@click.option("--status", type=click.Choice(["waiting_payment", "queued", "processing", "failed"]))
@row_limit
def list_jobs(status: str | None, limit: int) -> None:
    """The newest jobs of all users."""
    with snapshot() as session:
        found = listed_jobs.newest(session, status=status, limit=limit).rows
    jobs_table(found)


@jobs_group.command()
@click.argument("job_id", type=click.UUID)
def show(job_id: UUID) -> None:
    """JOB_ID, and its orders at providers."""
    with snapshot() as session:
        jobs_table([jobs.get(session, job_id)])
        orders = attempts.of_job(session, job_id)
    if orders:
        click.echo()
        orders_table(orders)


@jobs_group.command()
@click.argument("job_id", type=click.UUID)
def retry(job_id: UUID) -> None:
    """Run JOB_ID again: a failed one as a new order, a stuck one on another worker."""
    with recorded(Entry("job.retry", f"job:{job_id}")) as session:
        job = queue.retry(session, job_id)
    click.echo(f"job {job.id} is {job.status}")


@jobs_group.command()
@click.argument("job_id", type=click.UUID)
@click.option("--reason", required=True, help="shown to the customer")
def fail(job_id: UUID, reason: str) -> None:
    """End a live JOB_ID as failed; its tokens are returned."""
    with recorded(Entry("job.fail", f"job:{job_id}", reason)) as session:
        job = jobs.fail(session, job_id, reason=reason)
    click.echo(f"job {job.id} is {job.status}")


def jobs_table(rows: Iterable[JobRow[Any] | ListedJob]) -> None:
    """Print jobs, one a line."""
    table(
        ("job", "order", "service", "status", "attempts", "created", "why"),
        (
            (j.id, j.number, j.service_type, j.status, j.attempt, j.created_at, _why(j))
            for j in rows
        ),
    )


def _why(job: JobRow[Any] | ListedJob) -> str:
    if isinstance(job, ListedJob):
        return job.error_code or ""
    return str(job.meta.get("error", job.meta.get("lastError", {})).get("code", ""))
