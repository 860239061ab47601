"""The same for every request: its id, its headers, its one log line."""

from __future__ import annotations

import logging
import re
import secrets
import time
from urllib.parse import urlsplit

from flask import Flask, Response, g, request

import settings
from console import cookies
from providers import registry
from settings import Settings
from telemetry import logs

log = logging.getLogger("access")

_METHODS = ("GET", "HEAD", "POST", "OPTIONS")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def cover(app: Flask) -> None:
    """Give the application's answers what all of them have."""
    headers = _headers(settings.load())

    @app.before_request
    def begin() -> None:
        given = request.headers.get("X-Request-ID", "")
        g.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
        g.known_id = logs.request_id.set(g.request_id)
        g.began = time.perf_counter()

    @app.after_request
    def complete(response: Response) -> Response:
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        response.headers["X-Request-ID"] = g.get("request_id", "-")
        cookies.renew(response)
        _log(response)
        return response

    @app.teardown_request
    def end(error: BaseException | None) -> None:
        if (known := g.pop("known_id", None)) is not None:
            logs.request_id.reset(known)


def _headers(current: Settings) -> dict[str, str]:
    """As those of the API, for pages: with styles and scripts of this origin, and of no other.

    The referrer may be told to this origin only. Told to nobody, as in the API, browsers would send
    `Origin: null` with our own forms, and they could not be told from those of strangers.
    """
    pictures = _pictures()
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": f"'self' data: {pictures}",
        "media-src": f"'self' {pictures}",
        "connect-src": "'self'",
        "font-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
    if current.console_origin.startswith("https://"):
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers


def _pictures() -> str:
    """Origin of the signed links of customers' files, as the store makes them."""
    link = registry.storage().url("a-picture", expires_in=60, content_type="image/png")
    parts = urlsplit(link)
    return f"{parts.scheme}://{parts.netloc}"


def _log(response: Response) -> None:
    operator = g.get("operator")
    log.info(
        "request",
        extra={
            "method": request.method if request.method in _METHODS else "other",
            # The real path has ids in it, and that of a one-time link a secret.
            "path": request.url_rule.rule if request.url_rule else None,
            "operation": request.endpoint,
            "status": response.status_code,
            "ms": round((time.perf_counter() - g.get("began", time.perf_counter())) * 1000, 2),
            "operator": str(operator.operator_id) if operator else None,
        },
    )
