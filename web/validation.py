"""Validation of requests, inside connexion's stack: all that can be done once is done at startup.

connexion 3.3.0 creates new validators for every request and parses the body a second time for the
function. The layer below takes the place of its RequestValidationMiddleware, creates each
operation's validators together with the operation, and leaves what they have read in the scope.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.message import Message
from functools import lru_cache
from typing import Any, Protocol

from connexion.middleware.abstract import RoutedAPI, RoutedMiddleware
from connexion.operations import AbstractOperation
from starlette.types import ASGIApp, Receive, Scope, Send

from errors import ApiError
from spec.operations import JSON, Operation
from web import bodies
from web.inputs import INPUTS, Inputs
from web.lanes import CallExpired
from web.parameters import Parameters

# An operation without a body accepts and ignores one up to this size, such as the `{}` of a client
# that always sends JSON.
IGNORED_BODY = 64 * 1024  # bytes


class BodyReader(Protocol):
    """Reads and checks the bodies of one operation and media type."""

    async def read(self, receive: Receive, scope: Scope, inputs: Inputs) -> None:
        """Leave the body in `inputs`, or refuse it with ApiError."""


BodyReaders = Mapping[str, Callable[[Operation], BodyReader]]  # by media type


class OperationValidation:
    """Checks the requests of one operation: parameters, media type, body."""

    def __init__(self, next_app: ASGIApp, operation: Operation, readers: BodyReaders) -> None:
        self._next_app = next_app
        self._secured = operation.secured
        self._requires_body = operation.requires_body
        self._parameters = Parameters(operation.parameters)
        self._bodies = {kind: readers[kind](operation) for kind in operation.media_types}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse with ApiError, or call the next layer with all inputs in the scope."""
        content = _Content(scope["headers"])
        if self._secured and not _takes_json(content.accept):
            raise ApiError("not_acceptable")
        inputs = scope[INPUTS] = Inputs(self._parameters.validate(scope))
        if not self._bodies:
            if content.present:
                await bodies.read(receive, IGNORED_BODY, scope)
        elif media_type := self._media_type(content):
            await self._bodies[media_type].read(receive, scope, inputs)
        else:
            inputs.arguments["body"] = None
        try:
            await self._next_app(scope, receive, send)
        except CallExpired:  # as with a cancellation, the function may still be reading its file
            raise
        except Exception:
            inputs.close()
            raise

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


class OperationValidations(RoutedAPI[OperationValidation]):
    """Builds the validation of the contract's operations."""

    def __init__(
        self,
        *arguments: Any,
        operations: Mapping[str, Operation],
        readers: BodyReaders,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._operations = operations
        self._readers = readers
        self.add_paths()

    def make_operation(self, operation: AbstractOperation) -> OperationValidation:
        """The validation of one operation, in front of the next layer."""
        described = self._operations[operation.operation_id]
        return OperationValidation(self.next_app, described, self._readers)


class Validation(RoutedMiddleware[OperationValidations]):
    """The layer. operations, by operationId, and readers: options of add_api()."""

    api_cls = OperationValidations


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
