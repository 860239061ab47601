"""The Stripe-Signature header as Stripe makes it: new for each attempt, one v1 per valid secret."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

from local.sandbox.clock import Clock


@dataclass
class Signer:
    """Secrets of the endpoint: two while one is being rolled. skew_seconds shifts its clock."""

    clock: Clock
    secrets: list[str] = field(default_factory=list)
    skew_seconds: int = 0

    def headers(self, body: bytes) -> dict[str, str]:
        """The header of one attempt."""
        timestamp = int(self.clock.now().timestamp()) + self.skew_seconds
        signed = f"{timestamp}.".encode() + body
        signatures = [f"v1={_sign(signed, secret)}" for secret in self.secrets]
        # v0 is a scheme of test mode that receivers must ignore.
        signatures.append(f"v0={_sign(signed, 'v0')}")
        return {"Stripe-Signature": ",".join([f"t={timestamp}", *signatures])}


def _sign(signed: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
