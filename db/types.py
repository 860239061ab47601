"""Column types that keep money exact and times aware, and the clock."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, DateTime
from sqlalchemy.types import TypeDecorator

CENT = Decimal("0.01")
# Largest amount of tokens or rubles in one row: exact as a JSON number, far below bigint's limit.
MAX_AMOUNT = Decimal("9999999.99")


class Amount(TypeDecorator[Decimal]):
    """Tokens or rubles with two decimals, stored as whole hundredths.

    A bigint cannot hold NaN, which passes a CHECK on numeric. ValueError on a third decimal:
    rounding is a decision of the rule that computes the amount, never of the column.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | int | None, dialect: Any) -> int | None:
        if value is None:
            return None
        hundredths = Decimal(value) * 100
        if not hundredths.is_finite() or hundredths != hundredths.to_integral_value():
            raise ValueError(f"{value} is not an amount with two decimals")
        return int(hundredths)

    def process_result_value(self, value: int | None, dialect: Any) -> Decimal | None:
        return None if value is None else Decimal(value) / 100

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        return self


class Cost(TypeDecorator[Decimal]):
    """What a provider of an engine takes, in its currency, stored as whole millionths.

    ValueError on a seventh decimal, as with Amount.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | int | None, dialect: Any) -> int | None:
        if value is None:
            return None
        millionths = Decimal(value) * 1_000_000
        if not millionths.is_finite() or millionths != millionths.to_integral_value():
            raise ValueError(f"{value} is not a cost with six decimals")
        return int(millionths)

    def process_result_value(self, value: int | None, dialect: Any) -> Decimal | None:
        return None if value is None else Decimal(value) / 1_000_000

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        return self


class UtcDateTime(TypeDecorator[datetime]):
    """A timestamp with time zone; ValueError on a naive one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("naive datetime; use db.types.now()")
        return value

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        return None if value is None else value.astimezone(UTC)


def number(value: Decimal) -> int | float:
    """A Decimal with two decimals as a JSON number; float's shortest form is exact at this size."""
    return int(value) if value == value.to_integral_value() else float(value)


def moment(value: datetime) -> str:
    """A time in UTC, as in all rows, in RFC 3339."""
    return value.isoformat().replace("+00:00", "Z")


def now() -> datetime:
    """The current time, aware, UTC."""
    return datetime.now(UTC)
