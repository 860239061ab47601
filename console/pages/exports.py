"""Lists as files, by the filters of their pages; each leaves an entry of the audit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, abort, request
from flask.typing import ResponseReturnValue

from console import business_texts, exports
from console.access import allowed
from console.pages import audit, inbox, jobs, outbox, payments, people, reviews
from console.permissions import Permission
from db import browsing
from services.audit import Entry
from services.paging import Page
from workflows.actions import recorded

pages = Blueprint("exports", __name__, url_prefix="/exports")

LISTS: dict[str, Callable[..., Page[Any]]] = {
    "audit": audit.rows,
    "inbox": inbox.rows,
    "jobs": jobs.rows,
    "outbox": outbox.rows,
    "payments": payments.rows,
    "people": people.rows,
    "reviews": reviews.rows,
}


@pages.post("/<noun>")
@allowed(Permission.LISTS_EXPORT)
def download(noun: str) -> ResponseReturnValue:
    """The rows that the page of this list would show, in one file."""
    if noun not in LISTS:
        abort(404)
    filters = request.args.to_dict()
    if not all(map(str.isprintable, (*filters, *filters.values()))):
        abort(400)  # the entry of the audit could not hold it

    def page(cursor: str | None, limit: int) -> Page[Any]:
        with browsing() as session:
            return LISTS[noun](session, limit=limit, cursor=cursor)

    file = exports.answer(exports.Export(noun, business_texts.COLUMNS[noun], page))
    with recorded(Entry("list.export", f"list:{noun}", after={"filters": filters})):
        return file
