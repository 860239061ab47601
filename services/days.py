"""The day of the business: figures are told by days of one zone, whatever a server's own is."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

ZONE = "Europe/Moscow"
_ZONE = ZoneInfo(ZONE)
ONE = timedelta(days=1)


def of(moment: datetime) -> date:
    """The day that a moment belongs to."""
    return moment.astimezone(_ZONE).date()


def bounds(day: date) -> tuple[datetime, datetime]:
    """When a day begins, and when the next one does."""
    midnight = datetime.combine(day, time(), _ZONE)
    return midnight, datetime.combine(day + ONE, time(), _ZONE)


def hour(moment: datetime) -> int:
    """The hour of the day, 0 to 23."""
    return moment.astimezone(_ZONE).hour


def last(today: date, count: int) -> list[date]:
    """So many days up to and including `today`, the oldest first."""
    return [today - ONE * back for back in reversed(range(count))]
