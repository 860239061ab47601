"""Proofs of the books and of the figures: what the last ones found, and one more at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue

from console import business_texts
from console.access import allowed
from console.actions import act
from console.forms import Form
from console.permissions import Permission
from db import browsing
from db.models import CHECK_SUBJECTS
from services import checks
from services.audit import Entry

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

pages = Blueprint("ledger", __name__, url_prefix="/ledger")

SHOWN = 14  # nights


@pages.get("/")
@allowed(Permission.FIGURES_READ)
def listed() -> ResponseReturnValue:
    """The last checks of each kind."""
    return _listed(Form())


@pages.post("/check")
@allowed(Permission.LEDGER_CHECK)
def check() -> ResponseReturnValue:
    """Have a worker make one more: it takes minutes where there are many people."""
    form = Form()
    subject = form.choice("subject", CHECK_SUBJECTS)
    entry = Entry("ledger.check", f"check:{subject}")

    def effect(session: Session) -> str:
        checks.ask(session, subject)
        return business_texts.CHECK_ASKED

    return act(form, entry, effect, to=url_for(".listed"), refused=lambda: _listed(form))


def _listed(form: Form) -> str:
    with browsing() as session:
        found = {each: checks.recent(session, each, limit=SHOWN) for each in CHECK_SUBJECTS}
        asked = {each: checks.is_asked(session, each) for each in CHECK_SUBJECTS}
    return render_template("ledger/list.html", checks=found, asked=asked, form=form)
