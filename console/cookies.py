"""The one cookie: of a session, or of a guest whose login form must be told from a stranger's."""

from __future__ import annotations

import hmac
import secrets

from flask import Response, g, request

import settings
from services import operator_sessions


def name() -> str:
    """With TLS its prefix makes browsers refuse it from other hosts and without `Secure`."""
    return "__Host-console" if _secure() else "console"


def token() -> str:
    """What the visitor's cookie holds; a guest without one gets it with the answer."""
    if "cookie" not in g:
        g.cookie = request.cookies.get(name()) or secrets.token_urlsafe(32)
        g.new_cookie = name() not in request.cookies
    cookie: str = g.cookie
    return cookie


def replace(new: str) -> None:
    """Another cookie from now on: of the session that begins."""
    g.cookie, g.new_cookie = new, True


def forget() -> None:
    """The session has ended: the visitor is a guest again."""
    replace(secrets.token_urlsafe(32))


def renew(response: Response) -> None:
    """Send a cookie that is new."""
    if g.pop("new_cookie", False):
        response.set_cookie(
            name(),
            g.cookie,
            max_age=operator_sessions.LONGEST,
            secure=_secure(),
            httponly=True,
            samesite="Lax",
        )


def form_token() -> str:
    """What every form of this visitor carries; nobody without the cookie can make it."""
    return hmac.digest(token().encode(), b"form", "sha256").hex()


def is_form_token(given: str) -> bool:
    """Whether a form was made for this visitor."""
    return hmac.compare_digest(form_token().encode(), given.encode())


def _secure() -> bool:
    return settings.load().console_origin.startswith("https://")
