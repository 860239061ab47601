"""Tag Lotteries."""

from __future__ import annotations

from typing import Any

from errors import ApiError


def lotteries_current() -> Any:
    raise ApiError("not_implemented")


def lotteries_history(limit: int, cursor: str | None) -> Any:
    raise ApiError("not_implemented")


def lotteries_entry_me(user_id: str) -> Any:
    raise ApiError("not_implemented")


def lotteries_submit_social(body: dict[str, Any]) -> Any:
    raise ApiError("not_implemented")
