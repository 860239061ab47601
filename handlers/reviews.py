"""Tag Reviews."""

from __future__ import annotations

from typing import Any

from errors import ApiError


def reviews_check(body: dict[str, Any]) -> Any:
    raise ApiError("not_implemented")
