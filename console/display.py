"""How values look on a page: times in Moscow, amounts with their unit, yes and no in Russian."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from console import business_texts, texts

NO_BREAK = "\u00a0"
# In this order: each one also claims to be those after it.
_BROWSERS = ("YaBrowser", "Edg", "OPR", "Firefox", "Chrome", "Safari")
# Moscow has had no summer time since 2014; an offset of our own needs no database of time zones.
MOSCOW = timezone(timedelta(hours=3), "MSK")


def moscow(moment: datetime) -> str:
    """Date and time in Moscow."""
    return moment.astimezone(MOSCOW).strftime("%d.%m.%Y %H:%M")


def utc(moment: datetime) -> str:
    """The same moment to the second, for a title and for machines."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def amount(number: Decimal | int) -> str:
    """An amount without its unit, or a count: 1 234,50; whole ones have no decimals."""
    places = 0 if number == int(number) else 2
    return f"{number:,.{places}f}".replace(",", NO_BREAK).replace(".", ",").replace("-", "−")


def rub(number: Decimal | int) -> str:
    """Rubles."""
    return f"{amount(number)}{NO_BREAK}₽"


def plain(cost: Decimal) -> str:
    """A cost without zeros at its end, as forms take it."""
    return f"{cost.normalize():f}"


def on(day: date) -> str:
    """A day."""
    return day.strftime("%d.%m.%Y")


def local(moment: datetime) -> str:
    """A moment as fields of forms have it, by Moscow."""
    return moment.astimezone(MOSCOW).strftime("%Y-%m-%dT%H:%M")


def percent(part: int, whole: int) -> str:
    """A share."""
    return f"{100 * part / whole:.0f}{NO_BREAK}%"


def span(time: timedelta) -> str:
    """How long something took, in the two largest of its units."""
    seconds = time.total_seconds()
    if seconds < 60:
        return business_texts.seconds(f"{seconds:.1f}".replace(".", ","))
    if seconds < 3600:
        return business_texts.minutes(seconds // 60, seconds % 60)
    return business_texts.hours(seconds // 3600, seconds % 3600 // 60)


def shown(value: Any) -> str:
    """Any value of a row as text; nothing is a dash."""
    if value is None or value == "":
        return "—"
    if isinstance(value, bool):
        return texts.YES if value else texts.NO
    return moscow(value) if isinstance(value, datetime) else str(value)


def browser(agent: str | None) -> str:
    """The name of a browser, as far as its long description tells."""
    known = (name for name in _BROWSERS if name in (agent or ""))
    return next(known, "—")
