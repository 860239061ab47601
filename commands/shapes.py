"""How commands read amounts, moments and words, and print tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from db.types import MAX_AMOUNT

# Outside these years a time-zone conversion can overflow datetime and make the row unreadable.
YEARS = range(2000, 3000)

# How many rows a list shows.
row_limit = click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)


class Amount(click.ParamType[Decimal]):
    """An amount of tokens or rubles: more than 0, at most `most`, with at most two decimals."""

    name = "amount"

    def __init__(self, most: Decimal = MAX_AMOUNT) -> None:
        self._most = most

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        try:
            amount = Decimal(value)
        except InvalidOperation:
            self.fail(f"{value!r} is not a number", param, ctx)
        # In this order: a comparison with NaN and the rounding of a huge number are errors.
        if not amount.is_finite() or not 0 < amount <= self._most or amount != round(amount, 2):
            self.fail(f"must be more than 0, at most {self._most}, with two decimals", param, ctx)
        return amount


class Cost(click.ParamType[tuple[Decimal, str]]):
    """What a run costs us, such as 0.35USD: at most six decimals, and the provider's currency."""

    name = "cost"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[Decimal, str]:
        found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?) ?([A-Z]{3})", value)
        if found is None:
            self.fail(f"{value!r} is not an amount and a currency, such as 0.35USD", param, ctx)
        return Decimal(found[1]), found[2]


class Moment(click.ParamType[datetime]):
    """An ISO 8601 date or time; without a time zone it is UTC."""

    name = "time"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a time such as 2026-12-31T21:00", param, ctx)
        if moment.year not in YEARS:
            self.fail(f"{value!r} is not in the years 2000 to 2999", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Words(click.ParamType[str]):
    """Text that is not blank, of at most `longest` characters."""

    name = "text"

    def __init__(self, longest: int = 1000) -> None:
        self._longest = longest

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = value.strip()
        if not text:
            self.fail("is blank", param, ctx)
        if len(text) > self._longest or not text.isprintable():
            self.fail(f"must be one line of at most {self._longest} characters", param, ctx)
        return text


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows in aligned columns."""
    lines = [tuple(head), *(tuple("" if v is None else str(v) for v in row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  ".join(v.ljust(w) for v, w in zip(line, widths, strict=True)).rstrip())
