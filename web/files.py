"""Uploads and downloads through signed links, when files are kept on this machine.

A plain ASGI application beside the contract's operations: links carry their own permission, so no
API key is required. With a bucket configured it is not mounted, as S3 does this itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import re

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route, Router
from starlette.types import ASGIApp

from errors import ApiError
from providers.storage import ObjectMissing, StorageUnavailable
from providers.storage.disk import DiskStorage, PendingFile
from providers.storage.disposition import content_disposition
from providers.storage.links import LinkInvalid, UploadPolicy
from telemetry.logs import EXCHANGE
from web import problems
from web.bodies import declared_length, too_large
from web.conditions import is_known
from web.forms import FORM_SECONDS, FORMS_AT_ONCE, Slots
from web.multipart import FileSink, Form, FormError, FormTooLarge, in_thread, read_form

FILE_FIELD = "file"
MAX_FIELD_BYTES = 4096  # a policy has a few hundred
MAX_PARTS = 8
POLICY_SECONDS = 30  # until the signed policy has arrived; then the same time as other forms
CACHE = "private, max-age=300"  # short: a deleted photo must not live on in browsers

# One range; a request for several gets the whole file, as RFC 9110, section 14.2, allows.
_RANGE = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-[0-9]{1,18})")

_REFUSALS: dict[type[Exception], str] = {
    LinkInvalid: "link_invalid",
    ObjectMissing: "data_not_found",
}


def files_app(storage: DiskStorage) -> ASGIApp:
    """`POST /upload` and `GET /objects/{token}`, where the links of `storage` lead."""
    files = _Files(storage)
    kinds = (ApiError, HTTPException, *_REFUSALS)
    routes = [
        Route("/upload", files.upload, methods=["POST"]),
        Route("/objects/{token}", files.download, methods=["GET"]),
    ]
    # The application's own router would redirect to whatever the Host header says.
    router = Router(routes, redirect_slashes=False)
    return Starlette(
        routes=[Mount("/", app=router)], exception_handlers=dict.fromkeys(kinds, _refuse)
    )


class _Files:
    def __init__(self, storage: DiskStorage) -> None:
        self._storage = storage
        self._slots = Slots(FORMS_AT_ONCE)

    async def upload(self, request: Request) -> Response:
        """Store the form's file; the fields before it are checked before any of its bytes."""
        upload = _Upload(self._storage, self._slots, declared_length(request.scope))
        try:
            async with asyncio.timeout(POLICY_SECONDS) as upload.time:
                form = await read_form(
                    request.headers.get("content-type", ""),
                    request.receive,
                    begin_file=upload.start,
                    max_field_bytes=MAX_FIELD_BYTES,
                    max_parts=MAX_PARTS,
                )
            await in_thread(lambda: upload.finish(form))
        except (FormError, FormTooLarge, LinkInvalid) as error:
            raise _mendable(error) from error
        except TimeoutError as error:
            details = {"body": "did not arrive in time"}
            raise ApiError("bad_request", "The form cannot be read", details=details) from error
        except OSError as error:
            raise StorageUnavailable(f"{error.strerror} (errno {error.errno})") from error
        finally:
            upload.discard()
        return Response(status_code=204)

    async def download(self, request: Request) -> Response:
        """The object, or the part of it that Range names, or 304 if the client already has it."""
        permit = self._storage.permit(request.path_params["token"])
        found = await asyncio.to_thread(self._storage.find, permit.key)
        headers = {
            "cache-control": CACHE,
            "content-disposition": content_disposition(permit.content_type),
            "content-security-policy": "sandbox",  # a page would run in this server's origin
            "etag": f'"{found.stored.etag}"',
            "x-content-type-options": "nosniff",
        }
        if is_known(headers["etag"], request.headers):
            return Response(None, 304, headers, permit.content_type)
        if not _makes_sense(request.headers.get("range", "")):
            request.scope["headers"] = [
                each for each in request.scope["headers"] if each[0] != b"range"
            ]
        return _Download(
            found.path, headers=headers, media_type=permit.content_type, stat_result=found.stat
        )


class _Download(FileResponse):
    chunk_size = 256 * 1024


class _Upload:
    """One upload: its policy, and its file and its slot until the file is kept or discarded.

    sent_bytes: size of the whole form, 0 if not declared. time: limit for its arrival.
    """

    time: asyncio.Timeout

    def __init__(self, storage: DiskStorage, slots: Slots, sent_bytes: int) -> None:
        self._storage = storage
        self._slots = slots
        self._sent_bytes = sent_bytes
        self._policy: UploadPolicy
        self._pending: PendingFile | None = None
        self._held = contextlib.ExitStack()

    def start(self, name: str, fields: dict[str, str]) -> FileSink:
        """Where the file may go. LinkInvalid, FormError, StorageUnavailable."""
        if name != FILE_FIELD:
            raise FormError("must not be a file", name)
        self._policy = self._storage.policy(fields)
        # Only now: a stranger without a signed form must not use up the slots or the time.
        self._held.enter_context(self._slots.one())
        self.time.reschedule(asyncio.get_running_loop().time() + FORM_SECONDS)
        most = self._policy.max_bytes
        self._pending = self._storage.start(min(most, self._sent_bytes or most))
        return FileSink(self._pending.file, self._policy.max_bytes)

    def finish(self, form: Form) -> None:
        """Keep the file. FormError, StorageUnavailable."""
        if self._pending is None:
            raise FormError("is required", FILE_FIELD)
        if form.files[FILE_FIELD].size < self._policy.min_bytes:
            raise FormError("is empty", FILE_FIELD)
        self._pending.keep(self._policy.key)

    def discard(self) -> None:
        """Remove the file unless it was kept, and release the slot."""
        self._held.close()
        if self._pending is not None:
            self._pending.discard()


def _makes_sense(header: str) -> bool:
    """Whether a Range header can be followed; any other is ignored. starlette would refuse it."""
    match = _RANGE.fullmatch(header.strip())
    return match is not None and not (match[2] and int(match[2]) < int(match[1]))


def _mendable(error: FormError | FormTooLarge | LinkInvalid) -> ApiError:
    if isinstance(error, LinkInvalid):
        return ApiError("link_invalid")
    if isinstance(error, FormTooLarge):
        return too_large(error.max_bytes or MAX_FIELD_BYTES)
    details = {error.field or "body": error.message}
    return ApiError("bad_request", "The form cannot be read", details=details)


async def _refuse(request: Request, error: Exception) -> Response:
    refusal = problems.as_api_error(error, _REFUSALS)
    problems.report(error, refusal)
    if EXCHANGE in request.scope:
        request.scope[EXCHANGE].code = refusal.code
    return Response(orjson.dumps(refusal.as_dict()), refusal.status, refusal.headers, problems.JSON)
