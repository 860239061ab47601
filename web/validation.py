"""Validation of requests inside connexion's stack, doing at startup all that can be done once.

connexion 3.3.0 creates new validators for every request (RequestValidationOperation.__call__) and
parses the body a second time for the function. The classes below keep its middleware and its
validator_map, but create each operation's validators together with the operation, and leave the
arguments in scope["extensions"]["connexion_context"], connexion's own place for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.message import Message
from functools import lru_cache
from typing import Any

from connexion.middleware.request_validation import (
    RequestValidationAPI,
    RequestValidationMiddleware,
    RequestValidationOperation,
)
from connexion.operations import AbstractOperation
from starlette.types import ASGIApp, Receive, Scope, Send

from errors import ApiError
from spec.operations import JSON
from web import bodies, forms
from web.lanes import CallExpired

# An operation without a body accepts and ignores one up to this size, such as the `{}` of a client
# that always sends JSON.
IGNORED_BODY = 64 * 1024  # bytes


class OperationValidation(RequestValidationOperation):
    """Checks the requests of one operation: parameters, media type, body."""

    def __init__(
        self,
        next_app: ASGIApp,
        *,
        operation: AbstractOperation,
        strict_validation: bool = False,
        validator_map: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            next_app,
            operation=operation,
            strict_validation=strict_validation,
            validator_map=validator_map,
        )
        self._parameters = self._validator_map["parameter"](operation.parameters)
        self._bodies = {
            media_type: self._body_validator(media_type, content["schema"])
            for media_type, content in operation.request_body.get("content", {}).items()
        }
        self._requires_body = operation.request_body.get("required", False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse with ApiError, or call the next layer with all arguments in the context."""
        content = _Content(scope["headers"])
        if self._operation.security and not _takes_json(content.accept):
            raise ApiError("not_acceptable")
        context = scope["extensions"].setdefault("connexion_context", {})
        context[bodies.ARGUMENTS] = self._parameters.validate(scope)
        if not self._bodies:
            if content.present:
                await _ignore_body(receive)
            await self.next_app(scope, receive, send)
            return
        media_type = self._media_type(content)
        if media_type is None:
            context[bodies.ARGUMENTS]["body"] = None
            await self.next_app(scope, receive, send)
            return
        receive, scope = await self._bodies[media_type].wrap_receive(receive, scope=scope)
        try:
            await self.next_app(scope, receive, send)
        except CallExpired:  # as with a cancellation, the function may still be reading its file
            raise
        except Exception:
            forms.close(context)
            raise

    def _body_validator(self, media_type: str, schema: Mapping[str, Any]) -> Any:
        anonymous = not self._operation.security
        limit = bodies.UNAUTHENTICATED_JSON_LIMIT if anonymous else bodies.JSON_LIMIT
        return self._validator_map["body"][media_type](
            schema=schema,
            required=self._operation.request_body.get("required", False),
            limit=limit,
        )

    def _media_type(self, content: _Content) -> str | None:
        """The body's media type among the operation's; None for an omitted optional body.

        ApiError `unsupported_media_type`, or `bad_request` when a required body is missing.
        """
        if not content.present and (content.type is None or not self._requires_body):
            if self._requires_body:
                raise bodies.refused("is required")
            return None
        if content.encoding != b"identity":
            raise _unsupported("Content-Encoding", "must not be set")
        media_type, charset = _parsed_type(content.type or b"")
        if media_type not in self._bodies:
            raise _unsupported("Content-Type", f"must be {' or '.join(self._bodies)}")
        if media_type == JSON and charset not in ("utf-8", "utf8"):
            raise _unsupported("Content-Type", "must have no charset other than utf-8")
        return media_type


class OperationValidationAPI(RequestValidationAPI):
    """Creates an OperationValidation for each operation of the contract."""

    def make_operation(self, operation: AbstractOperation) -> OperationValidation:
        return OperationValidation(
            self.next_app,
            operation=operation,
            strict_validation=self.strict_validation,
            validator_map=self.validator_map,
        )


class ContractValidation(RequestValidationMiddleware):
    """connexion's request validation with our operations, for its list of middlewares."""

    api_cls = OperationValidationAPI


class _Content:
    """What the headers say about the body and about the accepted response."""

    __slots__ = ("accept", "encoding", "present", "type")

    def __init__(self, headers: list[tuple[bytes, bytes]]) -> None:
        self.type: bytes | None = None
        self.encoding = b"identity"
        self.present = False
        self.accept = b""
        for name, value in headers:
            if name == b"content-type":
                if self.type is not None:
                    raise _unsupported("Content-Type", "is given more than once")
                self.type = value
            elif name == b"content-encoding":
                self.encoding = value.lower()
            elif name == b"content-length":
                self.present = self.present or value != b"0"
            elif name == b"transfer-encoding":
                self.present = True
            elif name == b"accept" and value.strip():
                self.accept += value + b","


@lru_cache(maxsize=64)
def _takes_json(accept: bytes) -> bool:
    wanted = accept.lower()
    return not wanted or any(
        each in wanted for each in (b"*/*", b"application/*", b"application/json")
    )


@lru_cache(maxsize=64)
def _parsed_type(value: bytes) -> tuple[str, str]:
    """Media type and charset of a Content-Type in lower case; the standard library parses it."""
    header = Message()
    header["content-type"] = value.decode("latin-1")
    media_type = header.get_content_type() if b"/" in value else ""
    charset = header.get_param("charset", "utf-8")
    return media_type, str(charset).lower()


def _unsupported(header: str, reason: str) -> ApiError:
    return ApiError("unsupported_media_type", details={header: reason})


async def _ignore_body(receive: Receive) -> None:
    if await bodies.discard(receive, IGNORED_BODY) > IGNORED_BODY:
        raise bodies.too_large(IGNORED_BODY)
