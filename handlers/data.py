"""Tag Data. Bytes move between transactions, never inside one."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from uuid import UUID

import settings
from db import reading, transaction
from db.types import now
from errors import ApiError
from handlers import schemas
from images import Header
from providers import registry
from providers.storage import ObjectMissing
from services import data, idempotency, media
from services.idempotency import Answer
from spec.functions import FilePart, Reply
from workflows import photo_faces


def data_upload_multipart(body: dict[str, Any], file: FilePart) -> Reply:
    media.check_size(body["type"], file.size)
    seen = media.identified(body["type"], file.file, size=file.size)
    # The row comes first: a crash after the bytes are stored leaves no bytes without an owner.
    with transaction() as session:
        reserved = data.reserve(session, body["type"], content_type=seen.content_type, now=now())
    registry.storage().put(reserved.storage_key, file.file, content_type=seen.content_type)
    with transaction() as session:
        stored = data.confirm(
            session,
            reserved.id,
            content_type=seen.content_type,
            size_bytes=file.size,
            pixels=seen.size,
            now=now(),
        )
    return schemas.dump(schemas.Data, stored), 201


def data_get_presign(body: dict[str, Any], idempotency_key: str | None) -> Reply:
    content_type = media.declared(body["type"], body["contentType"])
    lifetime = settings.load().presign_ttl_seconds
    key = data.new_key(body["type"], content_type)
    form = registry.storage().presign_upload(
        key,
        content_type=content_type,
        max_bytes=media.UPLOAD_LIMITS[body["type"]],
        expires_in=lifetime,
    )
    with transaction() as session:

        def reserve() -> Answer:
            row = data.reserve(
                session, body["type"], content_type=content_type, now=now(), storage_key=key
            )
            offer = {"uploadUrl": form.url, "expiresInSeconds": lifetime, "fields": form.fields}
            return Answer({"dataId": str(row.id), **offer}, 200)

        answer = idempotency.once(session, "dataGetPresign", idempotency_key, body, reserve)
    return answer.body, answer.status, answer.headers


def data_confirm_upload(data_id: str, faces: bool = False) -> Reply:
    with reading() as reader:
        row = data.get(reader, UUID(data_id))
    if row.status == "pending":
        size, seen = _inspect(row.type, row.storage_key)
        with transaction() as session:
            row = data.confirm(
                session,
                row.id,
                content_type=seen.content_type,
                size_bytes=size,
                pixels=seen.size,
                now=now(),
            )
    return schemas.dump(schemas.Data, photo_faces.look(row) if faces else row), 200


def _inspect(data_type: str, key: str) -> tuple[int, Header]:
    """How many bytes were uploaded, and what they are, both read from the file itself."""
    stored = registry.storage().head(key)
    if stored is None:
        raise ApiError("upload_missing")
    media.check_stored_size(data_type, stored.size)
    try:
        head = registry.storage().peek(key, media.HEAD_BYTES)
    except ObjectMissing as error:
        raise ApiError("upload_missing") from error
    return stored.size, media.identified(data_type, BytesIO(head), size=stored.size)
