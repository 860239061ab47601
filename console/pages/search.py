"""The search box: whatever was typed, and at once the page of the only thing that is called so."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from console.access import allowed
from console.addresses import typed
from console.permissions import Permission, may
from db import browsing
from services import search
from services.search import Hit

pages = Blueprint("search", __name__)

# A move is on the page of its person.
_PAGES: dict[str, Callable[[Hit], str]] = {
    "user": lambda hit: url_for("people.shown", user_id=hit.id),
    "job": lambda hit: url_for("jobs.shown", job_id=hit.id),
    "payment": lambda hit: url_for("payments.shown", payment_id=hit.id),
    "transaction": lambda hit: url_for("people.shown", user_id=hit.user_id),
    "data": lambda hit: url_for("files.shown", data_id=hit.id),
    "payment_event": lambda hit: url_for("inbox.shown", event_id=hit.id),
    "event": lambda hit: url_for("outbox.shown", event_id=hit.id),
}
# What is of a person, for those who may see people.
_PERSONAL = ("user", "transaction", "event")


@pages.get("/search")
@allowed(Permission.LISTS_READ)
def found() -> ResponseReturnValue:
    """What is called so. People are found by those who may see people."""
    words = typed("q", search.LONGEST)
    hits: list[Hit] = []
    if words is not None:
        with browsing() as session:
            hits = search.find(session, words)
    sees_people = may(g.operator.role, Permission.PEOPLE_READ)
    seen = [hit for hit in hits if sees_people or hit.kind not in _PERSONAL]
    found = [(hit, _PAGES[hit.kind](hit)) for hit in seen]
    if len(found) == 1:
        return redirect(found[0][1])
    return render_template("search/found.html", words=words, found=found)
