"""An operator's own sessions: where they are logged in, and the end of it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from flask import Blueprint, g, render_template, url_for
from flask.typing import ResponseReturnValue

from console import texts
from console.access import signed_in, signed_in_with_a_code
from console.actions import act
from console.forms import Form
from db import browsing
from db.types import now
from services import operator_sessions, operators
from services.audit import Entry

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

pages = Blueprint("sessions", __name__, url_prefix="/sessions")


@pages.get("/")
@signed_in
def listed() -> ResponseReturnValue:
    """Where one is logged in."""
    return _listed()


@pages.post("/<uuid:session_id>/end")
@signed_in
def end(session_id: UUID) -> ResponseReturnValue:
    """Log out there; sessions of others are left alone."""
    name = g.operator.name

    def effect(session: Session) -> str:
        live = operator_sessions.live(session, now=now())
        if not any(each.id == session_id and each.name == name for each in live):
            return texts.SESSION_WAS_OVER
        operator_sessions.end(session, session_id)
        return texts.SESSION_ENDED

    entry = Entry("session.end", f"operator:{name}")
    return act(Form(), entry, effect, to=url_for(".listed"), refused=_listed)


@pages.post("/codes")
@signed_in_with_a_code
def renew_codes() -> ResponseReturnValue:
    """Recovery codes in the place of those before, shown once."""
    codes: list[str] = []

    def effect(session: Session) -> str:
        codes.extend(operators.renew_codes(session, g.operator.operator_id))
        return texts.CODES_SHOWN

    entry = Entry("operator.codes", f"operator:{g.operator.name}")
    answer = act(Form(), entry, effect, to=url_for(".listed"), refused=_listed)
    return render_template("login/codes.html", codes=codes) if codes else answer


def _listed() -> str:
    with browsing() as session:
        live = operator_sessions.live(session, now=now())
        left = operators.codes_left(session, g.operator.operator_id)
    mine = [each for each in live if each.operator_id == g.operator.operator_id]
    return render_template("sessions/list.html", sessions=mine, own=g.operator.id, left=left)
