"""multipart/form-data bodies: streamed to temporary files, checked by the contract's schema."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator, Mapping
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from starlette.types import Receive, Scope

from errors import ApiError
from spec.operations import MULTIPART, Operation, snake_case
from spec.schemas import WHOLE_BODY, compiled, reasons
from web import bodies
from web.inputs import Inputs
from web.multipart import FileSink, Form, FormError, FormTooLarge, read_form

# The field that says which limit applies.
TYPE_FIELD = "type"
# Text fields, part headers and boundaries, in addition to the largest file.
OVERHEAD = 1024 * 1024  # bytes
SPOOL = 1024 * 1024  # bytes; a typical photo never touches the disk
FORM_SECONDS = 600
FORMS_AT_ONCE = 64

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class Slots:
    """Counts running uploads, so that slow ones cannot pile up. For one event loop."""

    def __init__(self, limit: int) -> None:
        self._free = limit

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """Hold a slot. ApiError `service_unavailable` when all are taken."""
        if not self._free:
            raise ApiError("service_unavailable", "Too many uploads are running", retry_after=1)
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


class FormBody:
    """Reads the multipart bodies of one operation; built once.

    limits: bytes of a file by the value of the `type` field. While the file arrives the limit is
    that of its type if `type` came before it, otherwise the largest.
    """

    def __init__(self, operation: Operation, *, limits: Mapping[str, int]) -> None:
        self._limits = limits
        self._largest = max(limits.values())
        self._validator = compiled(operation.bodies[MULTIPART])
        self._file_fields = set(operation.file_fields)
        self._slots = Slots(FORMS_AT_ONCE)

    async def read(self, receive: Receive, scope: Scope, inputs: Inputs) -> None:
        """Texts become the argument `body`, each file becomes the argument with its name.

        ApiError `bad_request`, `payload_too_large`, or `service_unavailable` when FORMS_AT_ONCE
        are being read already or the disk is full.
        """
        bodies.require_length(scope, self._largest + OVERHEAD)
        with self._slots.one():
            form = await self._read(receive, scope)
        inputs.files += [part.file for part in form.files.values()]
        try:
            self._require_valid(form)
        except ApiError:
            inputs.close()
            raise
        inputs.arguments["body"] = form.fields
        inputs.arguments |= {snake_case(name): part for name, part in form.files.items()}

    async def _read(self, receive: Receive, scope: Scope) -> Form:
        content_type = next(value for name, value in scope["headers"] if name == b"content-type")
        try:
            async with asyncio.timeout(FORM_SECONDS):
                return await read_form(
                    content_type.decode("latin-1"), receive, begin_file=self._sink
                )
        except FormTooLarge as error:
            raise bodies.too_large(error.max_bytes or OVERHEAD) from error
        except FormError as error:
            raise _refused({error.field: error.message}) from error
        except TimeoutError as error:
            raise _refused({None: f"did not arrive within {FORM_SECONDS} seconds"}) from error
        except OSError as error:
            raise ApiError("service_unavailable", retry_after=5) from error

    def _sink(self, name: str, fields: dict[str, str]) -> FileSink:
        """Where a file goes; an unexpected file is refused before its bytes are read."""
        if name not in self._file_fields:
            raise FormError("must not be a file", name)
        limit = self._limits.get(fields.get(TYPE_FIELD, ""), self._largest)
        return FileSink(cast(BinaryIO, SpooledTemporaryFile(max_size=SPOOL)), limit)

    def _require_valid(self, form: Form) -> None:
        texts_for_files = form.fields.keys() & self._file_fields
        if texts_for_files:
            raise _refused(dict.fromkeys(texts_for_files, "must be a file"))
        # A file has no value that a schema could check: it only counts as present.
        found = reasons(self._validator, form.fields | dict.fromkeys(form.files, ""))
        if found:
            raise ApiError("bad_request", "The form does not match the contract", details=found)
        limit = self._limits.get(form.fields.get(TYPE_FIELD, ""), self._largest)
        if any(part.size > limit for part in form.files.values()):
            raise bodies.too_large(limit)


def _refused(faults: Mapping[str | None, str]) -> ApiError:
    """`bad_request` about fields; a name that does not look like one is not repeated."""
    named = {
        name if name and _NAME.fullmatch(name) else WHOLE_BODY: fault
        for name, fault in faults.items()
    }
    return ApiError("bad_request", "The form cannot be read", details=named)
