"""The second factor of operators: codes of an authenticator (RFC 6238), and codes on paper."""

from __future__ import annotations

import base64
import hmac
import secrets
from datetime import datetime
from hashlib import sha256

import pyotp

ISSUER = "Live Photo"
STEP_SECONDS = 30
# The code before and the next one are accepted, too: clocks of telephones are not exact.
_NEIGHBOURS = (-1, 0, 1)
RECOVERY_CODES = 10
RECOVERY_BYTES = 10  # 80 bits, so that a plain hash is enough


def new_secret() -> str:
    """A secret for an authenticator."""
    return pyotp.random_base32()


def provisioning_uri(secret: str, name: str) -> str:
    """What the QR code says that an authenticator reads."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)


def matching_step(secret: str, code: str, now: datetime) -> int | None:
    """The time step whose code this is, None for a wrong or an old one.

    Whoever accepts it keeps the step and refuses it and all before it: a code counts once.
    """
    totp, current = pyotp.TOTP(secret), int(now.timestamp()) // STEP_SECONDS
    given, found = "".join(code.split()).encode(), None
    for neighbour in _NEIGHBOURS:
        if hmac.compare_digest(totp.at(for_time=now, counter_offset=neighbour).encode(), given):
            found = current + neighbour
    return found


def new_recovery_codes() -> list[str]:
    """Codes for whoever has lost the telephone, each good for one login."""
    made = (secrets.token_bytes(RECOVERY_BYTES) for _ in range(RECOVERY_CODES))
    texts = (base64.b32encode(each).decode().lower() for each in made)
    return ["-".join(text[at : at + 4] for at in range(0, len(text), 4)) for text in texts]


def recovery_hash(code: str) -> str:
    """What is kept of a recovery code, however it is spelled."""
    return sha256("".join(filter(str.isalnum, code.lower())).encode()).hexdigest()
