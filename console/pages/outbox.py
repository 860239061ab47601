"""Events on their way to the bot: what waits, what is dead, and what is sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from flask import Blueprint, abort, render_template, url_for
from flask.typing import ResponseReturnValue

from console import business_texts
from console.access import allowed
from console.actions import act
from console.addresses import PAGE_ROWS, chosen, cursor, listing
from console.forms import Form
from console.permissions import Permission
from db import browsing
from db.rows import EventRow
from services import audit, events, feed, outbox
from services.audit import Entry
from services.paging import Page

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

pages = Blueprint("outbox", __name__, url_prefix="/outbox")


@pages.get("/")
@allowed(Permission.LISTS_READ)
def listed() -> ResponseReturnValue:
    """Events, newest first, of a state that somebody may look for."""
    return _listed(Form())


def rows(session: Session, *, limit: int, cursor: str | None) -> Page[EventRow]:
    """The events that the address asks for."""
    state = chosen("state", outbox.UNDELIVERED)
    return outbox.listed(session, limit=limit, cursor=cursor, state=state)


@pages.get("/<uuid:event_id>")
@allowed(Permission.PEOPLE_READ)
def shown(event_id: UUID) -> ResponseReturnValue:
    """Everything about one event."""
    return _shown(event_id, Form())


@pages.post("/<uuid:event_id>/replay")
@allowed(Permission.OUTBOX_CHANGE)
def replay(event_id: UUID) -> ResponseReturnValue:
    """Send it again, with its old id, from the first try."""
    form = Form()
    entry = Entry("outbox.replay", f"outbox:{event_id}", form.words("reason"))

    def effect(session: Session) -> str:
        outbox.replay(session, event_id)
        return business_texts.EVENT_REPLAYED

    return act(
        form,
        entry,
        effect,
        to=url_for(".shown", event_id=event_id),
        refused=lambda: _shown(event_id, form),
    )


@pages.post("/dead/replay")
@allowed(Permission.OUTBOX_CHANGE)
def replay_dead() -> ResponseReturnValue:
    """Send all dead ones again, in their order."""
    form = Form()
    entry = Entry("outbox.replay", None, form.words("reason"))

    def effect(session: Session) -> str:
        count = outbox.replay_all(session, state="dead", since=None)
        entry.after = {"events": count}
        return business_texts.events_replayed(count)

    return act(form, entry, effect, to=url_for(".listed"), refused=lambda: _listed(form))


def _listed(form: Form) -> str:
    state = chosen("state", outbox.UNDELIVERED)
    with browsing() as session:
        page = rows(session, limit=PAGE_ROWS, cursor=cursor())
        read = feed.confirmed(session)
    return render_template(
        "outbox/list.html",
        listing=listing(page),
        states=outbox.UNDELIVERED,
        state=state,
        read=read,
        form=form,
    )


def _shown(event_id: UUID, form: Form) -> str:
    with browsing() as session:
        try:
            event = outbox.find(session, event_id)
        except ValueError:
            abort(404)
        entries = audit.of_target(session, f"outbox:{event_id}")
    return render_template(
        "outbox/event.html", event=event, body=events.as_json(event), entries=entries, form=form
    )
