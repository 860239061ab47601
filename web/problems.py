"""Turns every failure into the contract's Error: `{code, message, details}`, from errors.CODES."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from connexion.exceptions import ProblemException
from connexion.lifecycle import ConnexionRequest, ConnexionResponse
from connexion.middleware import ConnexionMiddleware
from starlette.exceptions import HTTPException

from errors import ApiError
from spec.responses import ResponseMismatchError, ResponseValidators
from telemetry.logs import EXCHANGE

log = logging.getLogger(__name__)

JSON = "application/json"
TRACEBACK_EVERY_SECONDS = 60
_last_traced: dict[str, float] = {}  # code -> when its traceback was logged

# Refusals by libraries arrive as a bare status; their own texts are not passed on.
_BY_STATUS = {
    400: "bad_request",
    401: "unauthorized",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "payload_too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
    503: "service_unavailable",
}


def register(app: ConnexionMiddleware, responses: ResponseValidators) -> None:
    """Make `app` answer every exception as an Error."""
    answer = _responder(responses)
    # connexion has its own handler for ProblemException, so it is named here beside its parent.
    for kind in (ApiError, HTTPException, ProblemException, Exception):
        app.add_error_handler(kind, answer)


def as_api_error(error: Exception, known: Mapping[type[Exception], str] | None = None) -> ApiError:
    """The refusal that represents `error`; `internal_error` for anything unexpected.

    known: exceptions that are not an ApiError -> the code the caller gets.
    """
    if isinstance(error, ApiError):
        return error
    for kind, code in (known or {}).items():
        if isinstance(error, kind):
            return ApiError(code)
    if isinstance(error, HTTPException):
        fallback = "bad_request" if error.status_code < 500 else "internal_error"
        code = _BY_STATUS.get(error.status_code, fallback)
        allow = {k: v for k, v in (error.headers or {}).items() if k.lower() == "allow"}
        return ApiError(code, headers=allow)
    return ApiError("internal_error")


def report(error: Exception, refusal: ApiError) -> None:
    """Log what an operator must see: bugs with their traceback, outages with their cause.

    During an outage each refusal is one short line; its traceback is logged once a minute.
    """
    if refusal.code == "internal_error":
        log.error("unhandled %s", type(error).__name__, exc_info=error)
    elif refusal.status >= 500:
        cause = type(error.__cause__ or error).__name__
        exc_info = error if error.__cause__ and _is_news(refusal.code) else None
        log.warning("request refused: %s", refusal.code, exc_info=exc_info, extra={"cause": cause})


def _is_news(code: str) -> bool:
    now = time.monotonic()
    if now - _last_traced.get(code, float("-inf")) < TRACEBACK_EVERY_SECONDS:
        return False
    _last_traced[code] = now
    return True


def _responder(responses: ResponseValidators) -> Callable[..., Any]:
    async def answer(request: ConnexionRequest, error: Exception) -> ConnexionResponse:
        refusal = as_api_error(error)
        report(error, refusal)
        exchange = request.scope[EXCHANGE]
        if exchange.operation is not None:
            try:
                responses.require(exchange.operation, refusal.status, refusal.as_dict())
            except ResponseMismatchError as mismatch:
                report(mismatch, refusal := ApiError("internal_error"))
        exchange.code = refusal.code
        return ConnexionResponse(
            status_code=refusal.status,
            content_type=JSON,
            mimetype=JSON,
            headers=dict(refusal.headers),
            body=orjson.dumps(refusal.as_dict()),
        )

    return answer
