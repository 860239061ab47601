"""What connexion is told of the contract: paths, operationIds and keys, as OpenAPI 3.0.

connexion 3.3.0 refuses `openapi: 3.1.0` and, under another version, any keyword that 3.0 does not
have. It needs neither schemas nor responses here: spec.operations reads those, from 3.1, for our
own validators. Once connexion takes 3.1, it can be given the contract itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spec.operations import METHODS

_KEPT = ("operationId", "security", "tags")


def outline(contract: Mapping[str, Any]) -> dict[str, Any]:
    """`contract` for connexion's add_api()."""
    return {
        "openapi": "3.0.3",
        "info": {key: contract["info"][key] for key in ("title", "version")},
        "security": contract.get("security", []),
        "paths": {
            path: {method: _operation(item[method]) for method in METHODS if method in item}
            for path, item in contract["paths"].items()
        },
        "components": {"securitySchemes": contract["components"]["securitySchemes"]},
    }


def _operation(described: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: described[key] for key in _KEPT if key in described}
    return kept | {"responses": {"default": {"description": "See the contract."}}}
