"""What a bot may send as a file: an upload, a file it knows by its id, or an address to fetch."""

from __future__ import annotations

import contextlib
import mimetypes
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any
from urllib.parse import unquote, urlsplit

import requests

from local.sandbox.telegram.files import THUMBNAIL, Files, StoredFile
from local.sandbox.telegram.wire import Parameters, Refusal, Upload

UPLOAD_LIMITS = {"photo": 10 << 20}
UPLOAD_LIMIT = 50 << 20
URL_LIMITS = {"photo": 5 << 20}
URL_LIMIT = 20 << 20
URL_SECONDS = 20
# By address a document may only be one of these; other kinds have their own types.
URL_TYPES = {
    "photo": ("image/",),
    "video": ("video/mp4",),
    "animation": ("image/gif", "video/mp4"),
    "document": ("image/gif", "application/pdf", "application/zip"),
}
DIMENSIONS = ("width", "height", "duration")


@dataclass(frozen=True)
class Media:
    """Fields of a message: {"photo": [...]}, {"video": {...}}; an animation is a document, too."""

    kind: str
    fields: dict[str, Any]


def media(files: Files, parameters: Parameters, kind: str, name: str | None = None) -> Media:
    """The file that the parameter `name` (that of the kind if not given) carries or names.

    Refuses as the real server does what is missing, unknown, too large, or of another kind.
    """
    name = name or kind
    reference = parameters.text(name, "")
    sent = parameters.upload(name) or parameters.attached(reference)
    if sent is None and not reference:
        raise Refusal(400, f"Bad Request: there is no {kind} in the request")
    if sent is not None:
        if len(sent.content) > UPLOAD_LIMITS.get(kind, UPLOAD_LIMIT):
            raise Refusal(413, "Request Entity Too Large")
        return _kept(files, kind, sent, parameters)
    if reference.startswith(("http://", "https://")):
        return _kept(files, kind, _fetched(reference, kind), parameters)
    stored = files.find(reference)
    if stored is None:
        raise Refusal(
            400, "Bad Request: wrong remote file identifier specified: Wrong string length"
        )
    if (stored.kind == "photo") != (kind == "photo"):
        raise Refusal(400, "Bad Request: type of file mismatch")
    return _known(stored)


def received(files: Files, kind: str, upload: Upload) -> Media:
    """The file that a person sends: as a photo, or whole as a document."""
    return _kept(files, kind, upload, Parameters({}))


def _kept(files: Files, kind: str, sent: Upload, parameters: Parameters) -> Media:
    if not sent.content:
        raise Refusal(400, "Bad Request: file must be non-empty")
    if kind == "photo":
        return Media(
            "photo", {"photo": [size.as_dict() for size in files.keep_photo(sent.content)]}
        )
    attributes: dict[str, Any] = {}
    if kind in ("video", "animation"):
        attributes |= {each: max(parameters.integer(each), 0) for each in DIMENSIONS}
    cover = parameters.upload("thumbnail") or parameters.attached(parameters.text("thumbnail", ""))
    if cover is not None:
        attributes["thumbnail"] = files.keep_photo(cover.content, THUMBNAIL)[0].as_dict()
    elif kind == "document":
        with contextlib.suppress(Refusal):  # only pictures have one
            attributes["thumbnail"] = files.keep_photo(sent.content, THUMBNAIL)[0].as_dict()
    return _known(
        files.keep(kind, sent.content, name=sent.name, mime_type=_type_of(sent), **attributes)
    )


def _known(stored: StoredFile) -> Media:
    if stored.kind == "photo":
        return Media("photo", {"photo": [stored.as_dict()]})
    fields = {stored.kind: stored.as_dict()}
    if stored.kind == "animation":
        plain = ("file_id", "file_unique_id", "file_size", "file_name", "mime_type", "thumbnail")
        fields["document"] = {k: v for k, v in stored.as_dict().items() if k in plain}
    return Media(stored.kind, fields)


def _type_of(sent: Upload) -> str:
    """By the name where the sender said nothing useful."""
    if sent.mime_type in ("", "application/octet-stream"):
        return mimetypes.guess_type(sent.name)[0] or "application/octet-stream"
    return sent.mime_type


def _fetched(url: str, kind: str) -> Upload:
    limit = URL_LIMITS.get(kind, URL_LIMIT)
    try:
        with requests.get(url, timeout=URL_SECONDS, stream=True) as answer:
            content = answer.raw.read(limit + 1, decode_content=True) if answer.ok else b""
            mime_type = answer.headers.get("Content-Type", "").partition(";")[0]
    except (requests.RequestException, OSError):
        content = b""
    if not content or len(content) > limit:
        raise Refusal(400, "Bad Request: failed to get HTTP URL content")
    if not mime_type.startswith(URL_TYPES[kind]):
        raise Refusal(400, "Bad Request: wrong type of the web page content")
    return Upload(content, PurePath(unquote(urlsplit(url).path)).name or "file", mime_type)
