"""Who is let in: a session, a permission, a form of our own, and for money a code just given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask, abort, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

import settings
from console import cookies, texts, visitors
from console.permissions import Permission, may
from db import browsing, transaction
from db.rows import OperatorSessionRow
from db.types import now
from services import audit, operator_sessions, operators
from services.audit import Actor
from workflows import logins

View = TypeVar("View", bound=Callable[..., Any])

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
FORM_TOKEN, FORM_TOKEN_HEADER, CODE = "form_token", "X-Form-Token", "code"


@dataclass(frozen=True)
class Rule:
    """What a route asks for; one without a permission is for every operator, or for everybody."""

    permission: Permission | None = None
    fresh_code: bool = False
    public: bool = False


# By the function of a route.
_RULES: dict[Callable[..., Any], Rule] = {}


def allowed(permission: Permission, *, fresh_code: bool = False) -> Callable[[View], View]:
    """A route for roles with this permission; fresh_code: a code is asked for again."""
    return _ruled(Rule(permission, fresh_code))


def signed_in(view: View) -> View:
    """A route for every operator."""
    return _ruled(Rule())(view)


def signed_in_with_a_code(view: View) -> View:
    """The same for what is the operator's own, and asks for a code again."""
    return _ruled(Rule(fresh_code=True))(view)


def public(view: View) -> View:
    """A route for everybody."""
    return _ruled(Rule(public=True))(view)


def rules(app: Flask) -> dict[str, Rule]:
    """What each endpoint asks for. RuntimeError when one does not say."""
    views = {name: view for name, view in app.view_functions.items() if name != "static"}
    if open_doors := [name for name, view in views.items() if view not in _RULES]:
        raise RuntimeError(f"say who may: @allowed(...) is missing at {', '.join(open_doors)}")
    return {name: _RULES[view] for name, view in views.items()}


def rule_of(view: Callable[..., Any]) -> Rule:
    """What a page asks for."""
    return _RULES[view]


def guard(app: Flask) -> None:
    """Check every request before its page; all pages must be registered before."""
    found = rules(app)

    @app.before_request
    def let_in() -> ResponseReturnValue | None:
        if request.endpoint in (None, "static"):
            return None
        if request.method not in SAFE_METHODS:
            _require_own_form()
        g.operator = _session()
        rule = found[request.endpoint]
        return None if rule.public else _require(rule)

    @app.teardown_request
    def end(error: BaseException | None) -> None:
        if (known := g.pop("known_actor", None)) is not None:
            audit.actor.reset(known)


def is_fresh() -> bool:
    """Whether the operator has just given a code."""
    return operator_sessions.is_confirmed(g.operator, now=now())


def _ruled(rule: Rule) -> Callable[[View], View]:
    def mark(view: View) -> View:
        _RULES[view] = rule
        return view

    return mark


def _session() -> OperatorSessionRow | None:
    """The visitor's live session; 503 as long as there is no operator at all."""
    moment = now()
    with browsing() as session:
        row = operator_sessions.find(session, cookies.token(), now=moment)
        if row is None and not operators.exist(session):
            abort(503, texts.NO_OPERATOR)
    if row is not None and moment - row.seen_at > operator_sessions.SEEN_EVERY:
        with transaction() as session:
            operator_sessions.see(session, row.id, now=moment)
    return row


def _require(rule: Rule) -> ResponseReturnValue | None:
    """None for an operator who may; whoever has no session is led to the login."""
    if g.operator is None:
        asked = request.full_path.rstrip("?") if request.method == "GET" else None
        return redirect(url_for("login.shown", next=asked), 303)
    who = Actor(g.operator.name, g.operator.role, visitors.address())
    g.known_actor = audit.actor.set(who)
    if rule.permission is not None and not may(g.operator.role, rule.permission):
        abort(403)
    return _require_fresh_code() if rule.fresh_code else None


def _require_own_form() -> None:
    """403 for a form that was not made by a page of ours for this visitor."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    origin = request.headers.get("Origin")
    given = request.headers.get(FORM_TOKEN_HEADER) or request.form.get(FORM_TOKEN, "")
    if (
        site != "same-origin"
        or (origin is not None and not _is_ours(origin))
        or not cookies.is_form_token(given)
    ):
        abort(403, texts.FOREIGN_FORM)


def _is_ours(origin: str) -> bool:
    """Whether an Origin is the console's; the host of a request is one of those trusted."""
    here = settings.load().console_url or f"{request.scheme}://{request.host}"
    return origin == here.lower()


def _require_fresh_code() -> ResponseReturnValue | None:
    """Ask for a code and send the same form again, unless one was given a moment ago."""
    if request.method in SAFE_METHODS or is_fresh():
        return None
    error = None
    if code := request.form.get(CODE, "").strip():
        try:
            logins.confirm(g.operator, code, visitors.visitor(), now=now())
            g.operator = g.operator._replace(confirmed_at=now())
            return None
        except logins.LoginRefused as refusal:
            error = texts.refused_login(refusal)
    kept = [
        (name, value)
        for name, value in request.form.items(multi=True)
        if name not in (CODE, FORM_TOKEN)
    ]
    return render_template("login/confirm.html", kept=kept, error=error), 422
