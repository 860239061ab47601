"""Events that the backend posts: Standard Webhooks 1.0.0, the receiver's half."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from typing import Any

from livephoto_client.json_values import parsed
from livephoto_client.trouble import EventNotVerified

TOLERANCE = 300.0  # seconds, as in the standard's own libraries


def verify_event(
    headers: Mapping[str, str],
    body: bytes,
    secrets: str | Sequence[str],
    *,
    tolerance: float = TOLERANCE,
    now: float | None = None,
) -> dict[str, Any]:
    """The event in a request that the backend has posted; EventNotVerified if somebody else did.

    headers: of the request, in any letter case. body: its bytes as received. secrets: one
    `whsec_...` or, while they are rotated, several. An event whose time is further than `tolerance`
    seconds from `now` (seconds since 1970; this machine's clock if not given) is refused, as it
    may have been recorded. One may come again: remember `webhook-id` or the event's `sequence`.
    """
    named = {name.lower(): value for name, value in headers.items()}
    try:
        event_id, sent_at = named["webhook-id"], int(named["webhook-timestamp"])
        signatures = named["webhook-signature"].split()
    except (KeyError, ValueError) as error:
        raise EventNotVerified(f"a header is missing or malformed: {error}") from error
    if abs((time.time() if now is None else now) - sent_at) > tolerance:
        raise EventNotVerified("its time is too far from ours")
    content = f"{event_id}.{sent_at}.".encode() + body
    expected = [_signature(secret, content) for secret in _all(secrets)]
    # Every pair is compared, each in constant time.
    found = [
        hmac.compare_digest(own.encode(), theirs.encode())
        for own in expected
        for theirs in signatures
    ]
    if not any(found):
        raise EventNotVerified("no signature fits")
    try:
        event: dict[str, Any] = parsed(body)
    except ValueError as error:
        raise EventNotVerified("the body is not JSON") from error
    return event


def _all(secrets: str | Sequence[str]) -> Sequence[str]:
    return [secrets] if isinstance(secrets, str) else secrets


def _signature(secret: str, content: bytes) -> str:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise ValueError("a secret is whsec_ and base64") from error
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
