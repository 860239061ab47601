"""What several processes and hosts agree on."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple


class CountedRow(NamedTuple):
    """Somebody's minute after one more time; `ends_in` is computed by the database's clock."""

    used: int
    ends_in: timedelta
