"""What providers reported: parked first, the notice as it is stored, applied again or put aside."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

import orjson
from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from console import texts
from console.access import allowed
from console.actions import act
from console.addresses import PAGE_ROWS, chosen, cursor, listing
from console.forms import Form
from console.permissions import Permission
from db import browsing
from db.models import EVENT_STATES
from db.rows import PaymentEventRow
from services import audit, inbox
from services.audit import Entry
from services.paging import Page
from workflows import payment_events

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

pages = Blueprint("inbox", __name__, url_prefix="/payment-events")

FLAGGED = ("flagged",)


@pages.get("/")
@allowed(Permission.LISTS_READ)
def listed() -> ResponseReturnValue:
    """Events, newest first; without a filter those that wait for somebody."""
    if not request.args:
        return redirect(url_for(".listed", state="parked"))
    with browsing() as session:
        page = rows(session, limit=PAGE_ROWS, cursor=cursor())
    return render_template(
        "inbox/list.html", listing=listing(page), states=EVENT_STATES, only=FLAGGED
    )


def rows(session: Session, *, limit: int, cursor: str | None) -> Page[PaymentEventRow]:
    """The events that the address asks for."""
    return inbox.listed(
        session,
        limit=limit,
        cursor=cursor,
        state=chosen("state", EVENT_STATES),
        flagged=chosen("only", FLAGGED) is not None,
    )


@pages.get("/<uuid:event_id>")
@allowed(Permission.LISTS_READ)
def shown(event_id: UUID) -> ResponseReturnValue:
    """One event."""
    return _shown(event_id, Form())


@pages.post("/<uuid:event_id>/replay")
@allowed(Permission.EVENTS_CHANGE)
def replay(event_id: UUID) -> ResponseReturnValue:
    """Apply it again, now that its cause may be gone."""
    form = Form()
    entry = Entry("event.replay", f"event:{event_id}", form.words("replay_reason"))

    def effect(session: Session) -> str:
        entry.note = texts.verdict(payment_events.replay(session, event_id))
        return entry.note

    return _act(form, entry, effect, event_id, "replay_reason")


@pages.post("/<uuid:event_id>/dismiss")
@allowed(Permission.EVENTS_CHANGE)
def dismiss(event_id: UUID) -> ResponseReturnValue:
    """Put it aside with a reason."""
    form = Form()
    reason = form.words("reason", 300)

    def effect(session: Session) -> str:
        inbox.dismiss(session, event_id, reason=reason)
        return texts.EVENT_DISMISSED

    return _act(
        form, Entry("event.dismiss", f"event:{event_id}", reason), effect, event_id, "reason"
    )


def _act(
    form: Form, entry: Entry, effect: Callable[[Session], str], event_id: UUID, field: str
) -> ResponseReturnValue:
    return act(
        form,
        entry,
        effect,
        to=url_for(".shown", event_id=event_id),
        refused=lambda: _shown(event_id, form),
        field=field,
    )


def _shown(event_id: UUID, form: Form) -> str:
    with browsing() as session:
        try:
            event = inbox.find(session, event_id)
        except ValueError:
            abort(404)
        entries = audit.of_target(session, f"event:{event_id}")
    raw = orjson.dumps(event.notice, option=orjson.OPT_INDENT_2).decode()
    return render_template("inbox/event.html", event=event, raw=raw, entries=entries, form=form)
