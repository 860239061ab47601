"""Tag Referrals."""

from __future__ import annotations

from typing import Any

from errors import ApiError


def referrals_get_link(user_id: str) -> Any:
    raise ApiError("not_implemented")


def referrals_stats(user_id: str) -> Any:
    raise ApiError("not_implemented")


def referrals_history(user_id: str, limit: int, cursor: str | None) -> Any:
    raise ApiError("not_implemented")
