"""Tag Webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from errors import ApiError


def webhook_payments(provider: str, raw_body: bytes, headers: Mapping[str, str]) -> Any:
    raise ApiError("not_implemented")
