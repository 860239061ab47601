"""Tag Payments."""

from __future__ import annotations

from typing import Any

from errors import ApiError


def payments_create_intent(body: dict[str, Any], idempotency_key: str | None) -> Any:
    raise ApiError("not_implemented")
