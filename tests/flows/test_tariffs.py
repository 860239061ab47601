"""Tag Tariffs: what is on offer, in the operator's order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

from sqlalchemy import update

from db import transaction
from db.models import Tariff
from services.catalog import TARIFFS
from tests.live import Bot, done, unchanged


@contextmanager
def changed(name: str, **values: object) -> Iterator[None]:
    """Change a tariff during the block."""
    with transaction() as session:
        row = session.query(Tariff).filter_by(name=name).one()
        before = {column: getattr(row, column) for column in values}
    _set(name, values)
    try:
        yield
    finally:
        _set(name, before)


def _set(name: str, values: dict[str, object]) -> None:
    with transaction() as session:
        session.execute(update(Tariff).where(Tariff.name == name).values(**values))


def names(bot: Bot) -> list[str]:
    return [each["name"] for each in done(bot.get("/tariffs"), 200)]


def test_the_seeded_tariffs_are_on_offer(bot: Bot) -> None:
    with unchanged():
        offered = done(bot.get("/tariffs"), 200)
    assert [
        (each["name"], each["title"], each["monthlyTokens"], each["costRub"], each["currency"])
        for each in offered
    ] == [
        (each["name"], each["title"], each["monthly_tokens"], int(each["cost_rub"]), "RUB")
        for each in TARIFFS
    ]


def test_the_operator_decides_what_is_shown_and_where(bot: Bot) -> None:
    first, *others = names(bot)
    with changed(first, active=False):
        assert names(bot) == others
    with changed(first, position=99):
        assert names(bot) == [*others, first]
    assert names(bot) == [first, *others]


def test_kopecks_are_shown_as_they_are(bot: Bot) -> None:
    first = names(bot)[0]
    with changed(first, cost_rub=Decimal("199.90")):
        assert done(bot.get("/tariffs"), 200)[0]["costRub"] == 199.9
