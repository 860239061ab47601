"""The queue of reviews: each is approved for a person or rejected with a reason, then the next."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from flask import Blueprint, abort, render_template, url_for
from flask.typing import ResponseReturnValue

from console import texts
from console.access import allowed
from console.actions import act
from console.addresses import PAGE_ROWS, chosen, cursor, listing
from console.forms import Form
from console.permissions import Permission
from db import browsing
from db.models import REVIEW_STATES
from db.rows import ReviewRow
from services import audit, reviews, users
from services.audit import Entry
from services.paging import Page

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

pages = Blueprint("reviews", __name__, url_prefix="/reviews")


@pages.get("/")
@allowed(Permission.REVIEWS_JUDGE)
def listed() -> ResponseReturnValue:
    """Messages of the review chat, newest first."""
    with browsing() as session:
        page = rows(session, limit=PAGE_ROWS, cursor=cursor())
    return render_template("reviews/list.html", listing=listing(page), states=REVIEW_STATES)


def rows(session: Session, *, limit: int, cursor: str | None) -> Page[ReviewRow]:
    """The messages that the address asks for."""
    state = chosen("state", REVIEW_STATES)
    return reviews.listed(session, state=state, limit=limit, cursor=cursor)


@pages.get("/<uuid:review_id>")
@allowed(Permission.REVIEWS_JUDGE)
def shown(review_id: UUID) -> ResponseReturnValue:
    """One message, and what may be done with it."""
    return _shown(review_id, Form())


@pages.get("/next")
@allowed(Permission.REVIEWS_JUDGE)
def next_one() -> ResponseReturnValue:
    """The message that has waited longest, or that none waits."""
    with browsing() as session:
        review = reviews.next_to_judge(session)
    if review is None:
        return render_template("reviews/none.html")
    return _shown(review.id, Form())


@pages.post("/<uuid:review_id>/approve")
@allowed(Permission.REVIEWS_JUDGE)
def approve(review_id: UUID) -> ResponseReturnValue:
    """Count it for a person."""
    form = Form()
    person = form.words("user", 64)
    entry = Entry("review.approve", f"review:{review_id}")

    def effect(session: Session) -> str:
        owner = users.find(session, person)
        finding = reviews.approve(session, review_id, owner.id)
        entry.after = {"user": owner.id, "rewarded": finding.granted}
        return texts.REVIEW_REWARDED if finding.granted else texts.REVIEW_REWARDED_BEFORE

    return act(
        form,
        entry,
        effect,
        to=url_for(".next_one"),
        refused=lambda: _shown(review_id, form),
        field="user",
    )


@pages.post("/<uuid:review_id>/reject")
@allowed(Permission.REVIEWS_JUDGE)
def reject(review_id: UUID) -> ResponseReturnValue:
    """Never count it."""
    form = Form()
    note = form.words("note")

    def effect(session: Session) -> str:
        reviews.reject(session, review_id, note=note)
        return texts.REVIEW_REJECTED

    return act(
        form,
        Entry("review.reject", f"review:{review_id}", note),
        effect,
        to=url_for(".next_one"),
        refused=lambda: _shown(review_id, form),
        field="note",
    )


def _shown(review_id: UUID, form: Form) -> str:
    with browsing() as session:
        review = reviews.find(session, review_id)
        if review is None:
            abort(404)
        entries = audit.of_target(session, f"review:{review_id}")
    return render_template("reviews/review.html", review=review, entries=entries, form=form)
