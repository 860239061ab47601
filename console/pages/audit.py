"""What operators did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from console import texts
from console.access import allowed
from console.addresses import PAGE_ROWS, chosen, cursor, day, listing, typed
from console.permissions import Permission
from db import browsing
from db.rows import AuditEntryRow
from services import audit
from services.paging import Page

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

pages = Blueprint("audit", __name__, url_prefix="/audit")
ACTIONS = sorted(texts.NAMES["action"], key=lambda action: texts.NAMES["action"][action])


@pages.get("/")
@allowed(Permission.AUDIT_READ)
def listed() -> ResponseReturnValue:
    """Entries, newest first, by person, action, target, request and period."""
    with browsing() as session:
        page = rows(session, limit=PAGE_ROWS, cursor=cursor())
    return render_template("audit/list.html", listing=listing(page), actions=ACTIONS)


def rows(session: Session, *, limit: int, cursor: str | None) -> Page[AuditEntryRow]:
    """The entries that the address asks for."""
    return audit.listed(
        session,
        limit=limit,
        cursor=cursor,
        who=typed("who"),
        action=chosen("action", ACTIONS),
        target=typed("target"),
        request_id=typed("request"),
        since=day("since"),
        until=day("until", end=True),
    )
