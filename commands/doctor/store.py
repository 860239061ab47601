"""The storage: whether a probe can be put, read, downloaded by a link, and deleted."""

from __future__ import annotations

import io
from collections.abc import Iterator
from uuid import uuid4

import settings
from commands.doctor.finding import Finding, judged
from providers import probes, registry
from providers.storage import ObjectMissing, StorageUnavailable

CONTENT = b"a probe of cli.py doctor"
SKEW_SECONDS = 60.0  # a signature is refused by the bucket after five minutes or more
OK = 200


def look() -> Iterator[Finding]:
    """With one object of its own, which is deleted again."""
    store, key = registry.storage(), f"doctor/{uuid4()}"
    try:
        store.put(key, io.BytesIO(CONTENT), content_type="text/plain")
        try:
            read = store.peek(key, len(CONTENT)) == CONTENT
            yield from _link(store.url(key, expires_in=60, content_type="text/plain"))
        finally:
            store.delete(key)
        gone = store.head(key) is None
    except (StorageUnavailable, ObjectMissing) as error:
        fix = (
            "the keys need GetObject, PutObject, DeleteObject and ListBucket; is the store up?"
            if settings.load().s3_bucket
            else "STATE_DIR must be a folder that this user may write to"
        )
        yield Finding("FAIL", "storage", str(error), fix)
        return
    says = "put, read and deleted" if read and gone else "what was put was not read, or not deleted"
    yield judged("storage", says, fail=not (read and gone), fix="is it one store for all programs?")


def _link(url: str) -> Iterator[Finding]:
    fix = (
        "customers download from there, so it must lead to the storage for everybody:"
        " S3_PUBLIC_ENDPOINT_URL or S3_ENDPOINT_URL; SERVER_URL without a bucket"
    )
    try:
        probe = probes.ask(url)
    except OSError as error:
        yield Finding("FAIL", "links", f"nothing answers: {type(error).__name__}", fix)
        return
    yield judged("links", f"answered with {probe.status}", fail=probe.status != OK, fix=fix)
    if probe.ahead_seconds is not None:
        away = abs(probe.ahead_seconds)
        says, fix = f"{away:.0f} s from the storage's", "let NTP set it: signatures are refused"
        yield judged("clock of links", says, fail=away > SKEW_SECONDS, fix=fix)
