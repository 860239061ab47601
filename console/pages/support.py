"""What people ask for through the bot: the operator answers them in Telegram, and notes it here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue

from console import business_texts
from console.access import allowed
from console.actions import act
from console.addresses import whole
from console.forms import Form
from console.permissions import Permission
from db import browsing
from db.types import now
from services import support
from services.audit import Entry

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

pages = Blueprint("support", __name__, url_prefix="/support")

SHOWN = 30


@pages.get("/")
@allowed(Permission.SUPPORT_ANSWER)
def listed() -> ResponseReturnValue:
    """Open requests, those that have waited longest first."""
    return _listed(Form())


@pages.post("/<int:number>/close")
@allowed(Permission.SUPPORT_ANSWER)
def close(number: int) -> ResponseReturnValue:
    """End one with what it came to."""
    form = Form()
    answer = form.words(f"answer_{number}", 2000)
    entry = Entry("support.close", f"support:{number}", answer)

    def effect(session: Session) -> str:
        closed = support.close(session, number, answer=answer, now=now())
        return business_texts.REQUEST_CLOSED if closed else business_texts.REQUEST_WAS_CLOSED

    return act(form, entry, effect, to=url_for(".listed"), refused=lambda: _listed(form))


def _listed(form: Form) -> str:
    with browsing() as session:
        rows = support.of_status(session, "open", limit=SHOWN)
    return render_template("support/list.html", listing=whole(rows), form=form)
