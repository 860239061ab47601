"""Pages for what went wrong: each says what to do, and none what is inside."""

from __future__ import annotations

import logging

from flask import Flask, g, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, InternalServerError

from console import texts
from db import TooMuchError
from errors import ApiError

log = logging.getLogger("console")


def show(app: Flask) -> None:
    """Answer with pages whatever is raised."""
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(ApiError, _api)
    app.register_error_handler(TooMuchError, _too_much)
    app.register_error_handler(Exception, _bug)


def _http(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    if error.response is not None:
        return error.response
    # werkzeug's own words are English; ours are Russian, and given to abort().
    said = error.description or ""
    return _page(status, said if texts.is_ours(said) else texts.STATUSES.get(status, ""))


def _api(error: ApiError) -> ResponseReturnValue:
    if error.status >= 500:
        facts = {"code": error.code, "operation": request.endpoint}
        log.warning("database or provider unavailable", exc_info=error, extra=facts)
        return _page(503, texts.AWAY)
    return _page(error.status, texts.refusal(error))


def _too_much(error: TooMuchError) -> ResponseReturnValue:
    return _page(503, texts.TOO_MUCH)


def _bug(error: Exception) -> ResponseReturnValue:
    facts = {"operation": request.endpoint}
    log.exception("console page failed unexpectedly", exc_info=error, extra=facts)
    return _page(InternalServerError.code, texts.STATUSES[500])


def _page(status: int, said: str) -> ResponseReturnValue:
    return render_template(
        "refusal.html", status=status, said=said, request_id=g.request_id
    ), status
