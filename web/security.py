"""X-API-Key: required by every operation whose contract does not say `security: []`."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from connexion.lifecycle import ConnexionRequest
from connexion.security import ApiKeySecurityHandler

from errors import ApiError
from telemetry.logs import EXCHANGE

# RFC 9110 requires a challenge with each 401; for API keys there is no registered scheme.
CHALLENGE = {"WWW-Authenticate": 'ApiKey realm="Live Photo"'}


class ApiKeyCheck(ApiKeySecurityHandler):
    """connexion's apiKey handler with keys from the settings; several of them allow rotation.

    With no keys at all everything is refused. A header sent twice is refused too: proxies and
    servers disagree on which of the two counts.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = tuple(key.encode("utf-8") for key in keys)

    def get_fn(
        self, security_scheme: dict[str, Any], required_scopes: Sequence[str]
    ) -> Callable[[ConnexionRequest], dict[str, Any]]:
        """The check connexion runs for each request of a secured operation, in its event loop."""
        header = security_scheme["name"].lower().encode("ascii")

        def verify(request: ConnexionRequest) -> dict[str, Any]:
            given = [value for name, value in request.scope["headers"] if name == header]
            number = accepted(self._keys, given[0]) if len(given) == 1 else None
            if number is None:
                raise ApiError("unauthorized", headers=CHALLENGE)
            request.scope[EXCHANGE].key = number
            return {"sub": number}

        return verify


def accepted(keys: Sequence[bytes], given: bytes) -> int | None:
    """Position of the key equal to `given`; compares with all, so that timing reveals nothing."""
    found = None
    for number, key in enumerate(keys):
        if hmac.compare_digest(key, given):
            found = number
    return found
