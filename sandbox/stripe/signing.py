"""The Stripe-Signature header as Stripe makes it: every try anew, one v1 per valid secret."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

from sandbox.clock import Clock


@dataclass
class Signer:
    """Secrets of the endpoint: two while one of them is being rolled. skew_seconds ages stamps."""

    clock: Clock
    secrets: list[str] = field(default_factory=list)
    skew_seconds: int = 0

    def headers(self, body: bytes) -> dict[str, str]:
        """The header of one try."""
        stamp = int(self.clock.now().timestamp()) + self.skew_seconds
        signed = f"{stamp}.".encode() + body
        marks = [f"v1={_mark(signed, secret)}" for secret in self.secrets]
        # v0 is a scheme of test mode that receivers must ignore.
        marks.append(f"v0={_mark(signed, 'v0')}")
        return {"Stripe-Signature": ",".join([f"t={stamp}", *marks])}


def _mark(signed: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
