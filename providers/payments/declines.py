"""Why a payment did not go through, in one vocabulary for all providers."""

from __future__ import annotations

from enum import StrEnum


class Decline(StrEnum):
    """What the bank or the provider said. services/declines.py has the sentence for each."""

    INSUFFICIENT_FUNDS = "insufficient_funds"
    CARD_EXPIRED = "card_expired"
    CARD_DATA_WRONG = "card_data_wrong"
    NOT_CONFIRMED = "not_confirmed"  # 3-D Secure, or a code in the bank's app
    LIMIT_EXCEEDED = "limit_exceeded"
    METHOD_NOT_ACCEPTED = "method_not_accepted"
    SUSPICIOUS = "suspicious"
    BANK_UNAVAILABLE = "bank_unavailable"
    REFUSED_BY_BANK = "refused_by_bank"  # without a reason, or with one that is not told
    CANCELED_BY_SHOP = "canceled_by_shop"
