"""Coming in: by name, password and code, and the first time through a one-time link."""

from __future__ import annotations

import segno
from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from console import cookies, texts, visitors
from console.access import public, signed_in
from console.forms import WHOLE_FORM, Form
from db import browsing
from db.types import now
from services import operator_sessions, operators, second_factor
from services.audit import Entry
from workflows import logins
from workflows.actions import recorded

pages = Blueprint("login", __name__)


@pages.get("/login")
@public
def shown() -> ResponseReturnValue:
    """The form of a login."""
    return _login(Form())


@pages.post("/login")
@public
def log_in() -> ResponseReturnValue:
    """Begin a session with a cookie of its own."""
    form = Form()
    name = form.words("name", 64).lower()
    code = form.words("code", 64)
    password = form.values.get("password", "")
    if form.errors:
        return _login(form), 422
    try:
        token = logins.log_in(name, password, code, visitors.visitor(), now=now())
    except logins.LoginRefused as refusal:
        form.errors[WHOLE_FORM] = texts.refused_login(refusal)
        return _login(form), 429 if refusal.wait else 422
    cookies.replace(token)
    return redirect(_inside(form.values.get("next", "")), 303)


@pages.post("/logout")
@signed_in
def log_out() -> ResponseReturnValue:
    """End this session."""
    with recorded(Entry("session.end", f"operator:{g.operator.name}")) as session:
        operator_sessions.end(session, g.operator.id)
    cookies.forget()
    return redirect(url_for(".shown"), 303)


@pages.get("/join/<token>")
@public
def invited(token: str) -> ResponseReturnValue:
    """What a one-time link leads to; looking at it does not use it up."""
    return _join(token, Form())


@pages.post("/join/<token>")
@public
def join(token: str) -> ResponseReturnValue:
    """Choose a password, prove the authenticator, and see the recovery codes, once."""
    form = Form()
    password, code = form.values.get("password", ""), form.words("code", 64)
    if password != form.values.get("repeated"):
        form.errors["repeated"] = texts.NOT_THE_SAME
    if form.errors:
        return _join(token, form), 422
    try:
        cookie, codes = logins.come_in(token, password, code, visitors.visitor(), now=now())
    except LookupError:
        abort(404, texts.NO_LINK)
    except logins.LoginRefused as refusal:
        form.errors[WHOLE_FORM] = texts.refused_login(refusal)
        return _join(token, form), 429
    except ValueError as refusal:
        form.errors[WHOLE_FORM] = texts.refusal(refusal)
        return _join(token, form), 422
    cookies.replace(cookie)
    return render_template("login/codes.html", codes=codes)


def _login(form: Form) -> str:
    target = request.values.get("next", "")
    return render_template("login/login.html", form=form, next=target)


def _join(token: str, form: Form) -> str:
    with browsing() as session:
        found = operators.of_link(session, token, now=now())
    if found is None:
        abort(404, texts.NO_LINK)
    uri = second_factor.provisioning_uri(found.totp_secret, found.name)
    picture = segno.make(uri, error="m").svg_inline(scale=5, border=2, light="#fff")
    return render_template(
        "login/join.html", form=form, name=found.name, secret=found.totp_secret, picture=picture
    )


def _inside(target: str) -> str:
    """An address of ours, never one that a stranger's link has put in."""
    own = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if own and target.isprintable() else url_for("home.shown")
