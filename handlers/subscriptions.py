"""Tag Subscriptions."""

from __future__ import annotations

from typing import Any

from errors import ApiError


def subscriptions_check_channel(body: dict[str, Any]) -> Any:
    raise ApiError("not_implemented")
