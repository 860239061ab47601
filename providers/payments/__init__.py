"""What payment providers have in common: the types they exchange with us, and what they can do.

A webhook is handled in steps, so that no transaction waits for the network and no provider knows
our tables:

    event = gateway.parse_event(raw, headers, client_ip=..., now=...)   # no network
    if isinstance(event, Question):  look at the payment, then gateway.answer(event, refusal)
    if isinstance(event, Hint):      unless event.signed: is it about one of our payments? (tables)
                                     then event = gateway.confirm(event)                (network)
    if isinstance(event, Notice):    services.settlement.settle(session, event)         (tables)
                                     PENDING is kept like the others, and changes nothing
    if event is None:                not about money; acknowledge

All amounts that end in `_minor` are whole kopecks, cents or Telegram stars (those have no minor
unit); Decimal amounts are rubles.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable
from uuid import UUID

from providers.failures import (
    ProviderError,
    ProviderMisconfigured,
    ProviderRejected,
    ProviderUnavailable,
    SignatureInvalid,
)
from providers.payments.declines import Decline
from providers.payments.metadata import Metadata

__all__ = [
    "AnsweringGateway",
    "Checkout",
    "Decline",
    "Event",
    "Gateway",
    "Hint",
    "Metadata",
    "Notice",
    "CheckoutRequest",
    "Outcome",
    "PaymentRef",
    "ProviderError",
    "ProviderMisconfigured",
    "ProviderRejected",
    "ProviderUnavailable",
    "Question",
    "SignatureInvalid",
    "from_minor",
    "require_amount",
    "to_minor",
]


class Outcome(StrEnum):
    """What an event means for the payment; a string, so that dicts can be keyed by it."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REFUNDED = "refunded"  # in part or whole, see refunded_minor
    REFUND_FAILED = "refund_failed"  # money to be returned stayed with us
    DISPUTED = "disputed"
    DISPUTE_WON = "dispute_won"
    DISPUTE_LOST = "dispute_lost"


@dataclass(frozen=True)
class CheckoutRequest:
    """What a customer is about to pay for. The same payment_id must have the same other fields.

    amount: in `currency`, at most two decimals. title and description are read by the customer;
    gateways shorten them to the provider's limits. return_url: where the customer goes afterwards.
    receipt_email: the customer's, where it is known, for a fiscal receipt. user_id, tokens,
    tariff_id, plan: kept in the provider's metadata.
    """

    payment_id: UUID
    user_id: UUID
    amount: Decimal
    tokens: Decimal
    currency: str
    title: str
    description: str
    return_url: str
    payer_telegram_id: str
    tariff_id: UUID | None = None
    plan: str | None = None
    receipt_email: str | None = None


@dataclass(frozen=True)
class Checkout:
    """A page where the order can be paid, and the amount asked there.

    reference: the provider's id of it. expires_at: None if the provider gives no time.
    """

    reference: str
    url: str
    asked_minor: int
    asked_currency: str
    expires_at: datetime | None = None


@dataclass(frozen=True)
class PaymentRef:
    """The ids by which a provider finds a payment again; taken from our tables.

    reference: of the Checkout. charge_reference: of the money, once it has been paid.
    """

    payment_id: UUID
    reference: str
    charge_reference: str | None
    asked_minor: int
    asked_currency: str
    payer_telegram_id: str
    created_at: datetime
    receipt_email: str | None = None


@dataclass(frozen=True)
class Notice:
    """A fact about a payment: proved by a signature, or read from the provider itself.

    event_id: unique per event of the provider; reading the same state gives the same one each time.
    kind: the provider's word for it. reference and charge_reference as in PaymentRef. amount_minor:
    of the whole payment, None if not given. refunded_minor: returned so far in total, None if not
    given; both in hundredths, or in whole Stars. livemode: False for a test payment, None if not
    told. payer_id: Telegram id of the payer. decline: why an attempt to pay was refused, which may
    be followed by another one. raw: what the provider sent, without names and cards. metadata: what
    we gave the provider to keep, where it tells; the inbox does not keep it.
    """

    provider: str
    event_id: str
    kind: str
    outcome: Outcome
    payment_id: UUID | None = None
    reference: str | None = None
    charge_reference: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    refunded_minor: int | None = None
    refund_reference: str | None = None
    livemode: bool | None = None
    payer_id: str | None = None
    decline: Decline | None = None
    occurred_at: datetime | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)
    metadata: Metadata | None = field(default=None, compare=False)

    def as_json(self) -> dict[str, Any]:
        """For the inbox; from_json() returns an equal Notice."""
        known = {name: value for name, value in vars(self).items() if name != "metadata"}
        return {
            **known,
            "outcome": self.outcome.value,
            "payment_id": self.payment_id and str(self.payment_id),
            "decline": self.decline and self.decline.value,
            "occurred_at": self.occurred_at and self.occurred_at.isoformat(),
            "raw": dict(self.raw),
        }

    def impersonal(self) -> Notice:
        """The same without what leads to its payer, who was erased; see inbox.IMPERSONAL."""
        return replace(self, payer_id=None, raw={})

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Notice:
        """The Notice that as_json() came from, to apply it again."""
        payment_id, occurred_at = kept["payment_id"], kept["occurred_at"]
        decline = kept.get("decline")  # not in those kept by earlier versions
        read = {
            "outcome": Outcome(kept["outcome"]),
            "payment_id": payment_id and UUID(payment_id),
            "decline": decline and Decline(decline),
            "occurred_at": occurred_at and datetime.fromisoformat(occurred_at),
        }
        return cls(**{**kept, **read})


@dataclass(frozen=True)
class Hint:
    """Something a webhook says incompletely or without proof; confirm() finds the truth.

    signed: the provider sent it; an unsigned one may come from anybody, and
    workflows/payment_events.py decides which of these are confirmed. object_id: what confirm() has
    to read.
    """

    provider: str
    kind: str
    object_id: str
    signed: bool
    payment_id: UUID | None = None
    reference: str | None = None


@dataclass(frozen=True)
class Question:
    """A provider asks whether a payment may proceed (Telegram's pre-checkout); it waits seconds.

    The payment must be pending and equal in amount, currency and payer.
    """

    provider: str
    query_id: str
    payment_id: UUID | None
    amount_minor: int
    currency: str
    payer_id: str


Event = Notice | Hint | Question


class Gateway(Protocol):
    """A way to take money. Safe to share between threads.

    Every method that asks the provider raises ProviderUnavailable, ProviderRejected or
    ProviderMisconfigured (providers/failures.py), all of them ApiErrors.
    """

    provider: str

    def create_checkout(self, order: CheckoutRequest) -> Checkout:
        """A page to pay the order on. A repeat, also after a crash, gives the same page."""

    def read_back(self, payment: PaymentRef) -> Notice:
        """What the provider says about a payment now; Outcome.PENDING while nothing is decided."""

    def close(self, payment: PaymentRef) -> Notice:
        """Stop an unpaid checkout if the provider lets us; returns what it says after that."""

    def list_since(self, moment: datetime) -> Iterator[Notice]:
        """Money that moved at `moment` or later, as it is now: payments, with what was returned of
        them, then refunds and disputes of payments older than that.

        Also payments that were opened up to a day earlier. ProviderRejected when there is money
        that the provider cannot list.
        """

    def find_refund(
        self, payment: PaymentRef, *, amount_minor: int | None, key: str
    ) -> Notice | None:
        """The refund made with `key`, as it is now; None when there is none.

        Providers forget a key after a day, so it is kept in the refund's metadata. ProviderRejected
        when the bank failed it, or when its amount is not the given one.
        """

    def refund(self, payment: PaymentRef, *, amount_minor: int, key: str) -> Notice:
        """Give money back; `key` (1-64 of A-Za-z0-9-) makes a repeat within a day harmless.

        Outcome.REFUNDED once it is done, Outcome.PENDING while the provider works on it.
        """

    def parse_event(
        self, raw: bytes, headers: Mapping[str, str], *, client_ip: str | None, now: datetime
    ) -> Event | None:
        """What a webhook says, None when that is not about money. Makes no calls.

        headers: names in any case. client_ip: of the connection, not of a header.
        SignatureInvalid when the provider did not send it; ApiError `bad_request` when it did
        but the body cannot be understood.
        """

    def confirm(self, hint: Hint) -> Notice:
        """The facts behind a hint; Outcome.PENDING when there is nothing to apply yet.

        SignatureInvalid when the provider knows nothing of what was hinted.
        """


@runtime_checkable
class AnsweringGateway(Gateway, Protocol):
    """A gateway whose events may be questions."""

    def answer(self, question: Question, refusal: str | None) -> bool:
        """Let a payment proceed, or stop it with a text for the payer; False if it is too late."""


def require_amount(provider: str, wanted: int | None, made: int) -> None:
    """ProviderRejected when a refund was made with another amount than is wanted."""
    if wanted not in (None, made):
        words = f"a refund of {from_minor(made)} was made with this key"
        raise ProviderRejected(provider, "find_refund", words)


def to_minor(amount: Decimal) -> int:
    """Kopecks of rubles, cents of dollars. ValueError for fractions of them and for NaN."""
    minor = amount * 100
    if not minor.is_finite() or minor != minor.to_integral_value():
        raise ValueError(f"{amount} is not an amount with two decimals")
    return int(minor)


def from_minor(minor: int) -> Decimal:
    """199.00 of 19900; always with two decimals, as providers write amounts."""
    return Decimal(minor).scaleb(-2)
