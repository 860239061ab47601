"""What rubles buy."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

import settings
from db.models import Tariff
from db.types import MAX_AMOUNT, number
from errors import ApiError
from services import ledger


@dataclass(frozen=True)
class Offer:
    """What an amount of rubles buys."""

    tokens: Decimal
    tariff: Tariff | None


def of(session: Session, amount_rub: Decimal, plan: str | None) -> Offer:
    """What this amount buys: the tokens of a tariff, or its worth by TOKEN_PRICE_RUB.

    ApiError `tariff_not_found`, `amount_mismatch` (not the tariff's price), `amount_out_of_range`.
    """
    current = settings.load()
    if plan is not None:
        tariff = _tariff(session, plan)
        if amount_rub != tariff.cost_rub:
            raise ApiError("amount_mismatch", details={"costRub": number(tariff.cost_rub)})
        return Offer(Decimal(tariff.monthly_tokens), tariff)
    if not current.min_payment_rub <= amount_rub <= current.max_payment_rub:
        raise ApiError(
            "amount_out_of_range",
            details={
                "minRub": number(current.min_payment_rub),
                "maxRub": number(current.max_payment_rub),
            },
        )
    tokens = ledger.rounded(amount_rub / current.token_price_rub)
    if not 0 < tokens <= MAX_AMOUNT:
        raise ApiError("amount_out_of_range")
    return Offer(tokens, None)


def _tariff(session: Session, plan: str) -> Tariff:
    """The active tariff of this id or name."""
    try:
        by_id = [Tariff.id == UUID(plan)]
    except ValueError:
        by_id = []
    tariff = session.scalar(
        select(Tariff).where(Tariff.active, or_(Tariff.name == plan, *by_id)).limit(1)
    )
    if tariff is None:
        raise ApiError("tariff_not_found")
    return tariff
