"""Who may use the console: their roles, their links, their sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from flask import Blueprint, abort, g, render_template, url_for
from flask.typing import ResponseReturnValue

import settings
from console import texts
from console.access import allowed
from console.actions import act
from console.forms import Form
from console.permissions import Permission
from db import browsing
from db.models import OPERATOR_ROLES
from db.types import now
from services import audit, operator_sessions, operators
from services.audit import Entry

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

pages = Blueprint("operators", __name__, url_prefix="/operators")


@pages.get("/")
@allowed(Permission.OPERATORS_CHANGE)
def listed() -> ResponseReturnValue:
    """All operators, and everybody's sessions."""
    return _listed(Form())


@pages.post("/")
@allowed(Permission.OPERATORS_CHANGE, fresh_code=True)
def add() -> ResponseReturnValue:
    """Let somebody in, and show their link, once."""
    form = Form()
    name, role = form.words("name", 32).lower(), form.choice("role", OPERATOR_ROLES)
    tokens: list[str] = []

    def effect(session: Session) -> str:
        tokens.append(operators.add(session, name, role, now=now()))
        return texts.LINK_SHOWN

    entry = Entry("operator.add", f"operator:{name}", after={"role": role})
    to = url_for(".listed")
    answer = act(form, entry, effect, to=to, refused=lambda: _listed(form), field="name")
    return _link(name, tokens[0]) if tokens and not form.errors else answer


@pages.get("/<name>")
@allowed(Permission.OPERATORS_CHANGE)
def shown(name: str) -> ResponseReturnValue:
    """One operator, and what they did last."""
    return _shown(name, Form())


@pages.post("/<name>/role")
@allowed(Permission.OPERATORS_CHANGE, fresh_code=True)
def change_role(name: str) -> ResponseReturnValue:
    """Another role; sessions end."""
    form = Form()
    role = form.choice("role", OPERATOR_ROLES)
    entry = Entry("operator.role", f"operator:{name}", after={"role": role})

    def effect(session: Session) -> str:
        entry.before = {"role": operators.by_name(session, name).role}
        operators.change_role(session, name, role)
        return texts.ROLE_CHANGED

    to = url_for(".shown", name=name)
    return act(form, entry, effect, to=to, refused=lambda: _shown(name, form), field="role")


@pages.post("/<name>/reset")
@allowed(Permission.OPERATORS_CHANGE, fresh_code=True)
def reset(name: str) -> ResponseReturnValue:
    """A new link; password, codes and sessions end."""
    form = Form()
    tokens: list[str] = []

    def effect(session: Session) -> str:
        tokens.append(operators.reset(session, name, role=None, now=now()))
        return texts.LINK_SHOWN

    entry = Entry("operator.reset", f"operator:{name}")
    to = url_for(".shown", name=name)
    answer = act(form, entry, effect, to=to, refused=lambda: _shown(name, form))
    return _link(name, tokens[0]) if tokens and not form.errors else answer


@pages.post("/<name>/disable")
@allowed(Permission.OPERATORS_CHANGE, fresh_code=True)
def disable(name: str) -> ResponseReturnValue:
    """Keep them out; not the last one who could let anybody in again."""
    form = Form()
    reason = form.words("reason")

    def effect(session: Session) -> str:
        operators.require_another_admin(session, operators.by_name(session, name).id)
        operators.disable(session, name, now=now())
        return texts.OPERATOR_DISABLED

    return act(
        form,
        Entry("operator.disable", f"operator:{name}", reason),
        effect,
        to=url_for(".shown", name=name),
        refused=lambda: _shown(name, form),
        field="reason",
    )


@pages.post("/sessions/<uuid:session_id>/end")
@allowed(Permission.OPERATORS_CHANGE)
def end_session(session_id: UUID) -> ResponseReturnValue:
    """End somebody's session at once."""
    form = Form()
    entry = Entry("session.end")

    def effect(session: Session) -> str:
        live = operator_sessions.live(session, now=now())
        entry.target = next((f"operator:{s.name}" for s in live if s.id == session_id), None)
        ended = operator_sessions.end(session, session_id)
        return texts.SESSION_ENDED if ended else texts.SESSION_WAS_OVER

    return act(form, entry, effect, to=url_for(".listed"), refused=lambda: _listed(form))


def _listed(form: Form) -> str:
    with browsing() as session:
        return render_template(
            "operators/list.html",
            form=form,
            operators=operators.every(session),
            sessions=operator_sessions.live(session, now=now()),
            own=g.operator.id,
            roles=OPERATOR_ROLES,
        )


def _shown(name: str, form: Form) -> str:
    with browsing() as session:
        found = [each for each in operators.every(session) if each.name == name]
        if not found:
            abort(404)
        entries = audit.listed(session, limit=20, who=name).rows
    return render_template(
        "operators/operator.html",
        form=form,
        operator=found[0],
        entries=entries,
        roles=OPERATOR_ROLES,
    )


def _link(name: str, token: str) -> str:
    link = f"{settings.load().console_origin}/join/{token}"
    return render_template("operators/link.html", name=name, link=link)
