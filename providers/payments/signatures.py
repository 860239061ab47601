"""The Stripe-Signature header: HMAC-SHA256 over the time and the bytes as received.

https://docs.stripe.com/webhooks#verify-manually
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from datetime import datetime

from providers.failures import SignatureInvalid

TOLERANCE_SECONDS = 300
SCHEME = "v1"
# More signatures than Stripe sends while several secrets are valid; hashing is not free.
MAX_SIGNATURES = 16

_TIMESTAMP = re.compile(r"[0-9]{1,12}")


def verify(raw: bytes, header: str, *, secrets: Sequence[str], now: datetime) -> None:
    """Return when one of `secrets` signed `raw` within 300 s of `now`; SignatureInvalid otherwise.

    header: `t=<unix time>,v1=<hex>[,v1=<hex>...]`; several v1 come while a secret is being rolled,
    schemes other than v1 are ignored. A time ahead of ours is refused like an old one.
    """
    timestamp, signatures = _read(header)
    signed = timestamp.encode() + b"." + raw
    expected = [hmac.digest(secret.encode(), signed, "sha256").hex() for secret in secrets]
    # Every pair is compared, so that the time taken does not reveal which secret came close.
    matches = [
        hmac.compare_digest(right.encode(), given.encode("utf-8", "replace"))
        for right in expected
        for given in signatures
    ]
    if not any(matches):
        raise SignatureInvalid("stripe", "no signature matches")
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        raise SignatureInvalid("stripe", "the signature is too old, or its time is in the future")


def _read(header: str) -> tuple[str, list[str]]:
    parts = [part.partition("=") for part in header.split(",")]
    timestamp = next((value for name, _, value in parts if name == "t"), "")
    signatures = [value for name, _, value in parts if name == SCHEME]
    if not _TIMESTAMP.fullmatch(timestamp) or not signatures:
        raise SignatureInvalid("stripe", "the Stripe-Signature header is missing or malformed")
    return timestamp, signatures[:MAX_SIGNATURES]
