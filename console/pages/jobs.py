"""Orders: the list, and one with its tries, its moves of tokens and its pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue

from console import pictures, texts
from console.access import allowed
from console.actions import act
from console.addresses import PAGE_ROWS, chosen, cursor, day, listing, typed
from console.forms import Form
from console.permissions import Permission
from console.pictures import Pair
from db import browsing
from db.models import JOB_STATUSES, SERVICE_TYPES
from db.rows import ListedJob
from services import attempts, audit, jobs, ledger, listed_jobs, queue
from services.audit import Entry
from services.paging import Page
from workflows.actions import recorded

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

pages = Blueprint("jobs", __name__, url_prefix="/orders")


@pages.get("/")
@allowed(Permission.LISTS_READ)
def listed() -> ResponseReturnValue:
    """Orders, newest first."""
    with browsing() as session:
        page = rows(session, limit=PAGE_ROWS, cursor=cursor())
    return render_template(
        "jobs/list.html", listing=listing(page), statuses=JOB_STATUSES, services=SERVICE_TYPES
    )


def rows(session: Session, *, limit: int, cursor: str | None) -> Page[ListedJob]:
    """The orders that the address asks for."""
    return listed_jobs.newest(
        session,
        limit=limit,
        cursor=cursor,
        status=chosen("status", JOB_STATUSES),
        service_type=chosen("service", SERVICE_TYPES),
        error_code=typed("error"),
        worker=typed("worker"),
        since=day("since"),
        until=day("until", end=True),
    )


@pages.get("/<uuid:job_id>")
@allowed(Permission.LISTS_READ)
def shown(job_id: UUID) -> ResponseReturnValue:
    """One order; its pictures are opened by a form."""
    return _shown(job_id, Form())


@pages.post("/<uuid:job_id>/pictures")
@allowed(Permission.PICTURES_READ)
def open_pictures(job_id: UUID) -> ResponseReturnValue:
    """The same with its pictures, which leaves an entry."""
    with recorded(Entry("picture.open", f"job:{job_id}")) as session:
        pairs = pictures.of_jobs(session, [jobs.get(session, job_id)])
    return _shown(job_id, Form(), pairs)


@pages.post("/<uuid:job_id>/retry")
@allowed(Permission.ORDERS_CHANGE)
def retry(job_id: UUID) -> ResponseReturnValue:
    """Order a failed one again, or take a stuck one from its worker."""
    form = Form()
    reason = form.words("retry_reason")
    entry = Entry("job.retry", f"job:{job_id}", reason)

    def effect(session: Session) -> str:
        again = queue.retry(session, job_id)
        entry.after = {"job": again.id, "status": again.status}
        return texts.order_retried(again.number, again.status)

    return _act(form, entry, effect, job_id, "retry_reason")


@pages.post("/<uuid:job_id>/fail")
@allowed(Permission.ORDERS_CHANGE)
def fail(job_id: UUID) -> ResponseReturnValue:
    """End a live one; its tokens are returned, and the customer reads the reason."""
    form = Form()
    reason = form.words("fail_reason", 300)
    entry = Entry("job.fail", f"job:{job_id}", reason)

    def effect(session: Session) -> str:
        jobs.fail(session, job_id, reason=reason)
        return texts.ORDER_FAILED

    return _act(form, entry, effect, job_id, "fail_reason")


def _act(
    form: Form, entry: Entry, effect: Callable[[Session], str], job_id: UUID, field: str
) -> ResponseReturnValue:
    return act(
        form,
        entry,
        effect,
        to=url_for(".shown", job_id=job_id),
        refused=lambda: _shown(job_id, form),
        field=field,
    )


def _shown(job_id: UUID, form: Form, pairs: list[Pair] | None = None) -> str:
    with browsing() as session:
        job, line = jobs.get(session, job_id), listed_jobs.find(session, job_id)
        moves = ledger.of_job(session, job_id)
        orders = attempts.of_job(session, job_id)
        entries = audit.of_target(session, f"job:{job_id}")
    return render_template(
        "jobs/job.html",
        job=job,
        line=line,
        moves=moves,
        attempts=orders,
        entries=entries,
        form=form,
        pairs=pairs,
    )
