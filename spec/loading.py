"""Letting connexion 3.3.0 load an OpenAPI 3.1 contract.

connexion validates a contract against the 3.0 meta-schema and refuses `openapi: 3.1.0` because of
its version string alone. While loading, it looks up the class for version 3 as a module global, so
that name is replaced during `add_api`. Nothing is lost: a test validates the file with
openapi-spec-validator as 3.1, and our own 2020-12 validators check requests and responses.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import connexion.spec
from connexion.exceptions import InvalidSpecification


class OpenAPI31Specification(connexion.spec.OpenAPISpecification):
    """connexion's view of a contract, without its 3.0 meta-schema."""

    @classmethod
    def _validate_spec(cls, spec: dict[str, Any]) -> None:
        if not str(spec.get("openapi", "")).startswith("3.1."):
            raise InvalidSpecification("the contract must be OpenAPI 3.1")


@contextmanager
def openapi_31_accepted() -> Iterator[None]:
    """Within this block connexion loads version 3 contracts as OpenAPI31Specification."""
    original = connexion.spec.OpenAPISpecification
    # Specification.from_dict uses this global; there is no parameter for it in 3.3.0.
    connexion.spec.OpenAPISpecification = OpenAPI31Specification
    try:
        yield
    finally:
        connexion.spec.OpenAPISpecification = original
