"""multipart/form-data bodies."""

from __future__ import annotations

from typing import Any


class FormBody:
    """Placeholder until spec.multipart is there."""

    def __init__(self, **_: Any) -> None:
        """Accept what the validator map gives."""
