"""Tag Webhooks."""

from __future__ import annotations

from typing import Any

from errors import ApiError


def webhook_payments(provider: str, body: dict[str, Any]) -> Any:
    raise ApiError("not_implemented")
