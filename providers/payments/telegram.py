"""Payments inside Telegram: invoice links in Stars (XTR), or in rubles through a provider token.

A link can be paid by anybody, any number of times. What controls that is the question Telegram
asks before each payment (parse_event returns a Question, `answer` replies to it).
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

from providers.failures import (
    ProviderMisconfigured,
    ProviderRejected,
    ProviderUnavailable,
    SignatureInvalid,
)
from providers.payments import (
    Checkout,
    CheckoutRequest,
    Event,
    Hint,
    Metadata,
    Notice,
    Outcome,
    PaymentRef,
    Question,
    to_minor,
)
from providers.payments.metadata import payment_of, read_payload
from providers.payments.webhooks import header, json_object
from providers.telegram import (
    Meaning,
    PreCheckout,
    RefundedPayment,
    StarTransaction,
    SuccessfulPayment,
    TelegramBot,
    TelegramError,
    parse_update,
    star_transactions_since,
)

PROVIDER = "telegram"
STARS = "XTR"
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - a header's name
TITLE_LIMIT, DESCRIPTION_LIMIT = 32, 255
# A charge may be this much older than the payment row that a late update created for it.
SLACK = timedelta(days=1)


class TelegramGateway:
    """Invoices of one bot. A checkout's reference is our payment id, with which its payload begins.

    secrets: accepted in the secret header; with none the webhook accepts nothing. currency: of new
    invoices, XTR or RUB. rub_per_star: what a Star is worth. provider_token: for RUB.
    """

    provider = PROVIDER

    def __init__(
        self,
        bot: TelegramBot,
        *,
        secrets: tuple[str, ...],
        currency: str,
        rub_per_star: Decimal,
        provider_token: str = "",
    ) -> None:
        self._bot = bot
        self._secrets = tuple(secret.encode() for secret in secrets if secret)
        self._currency = currency
        self._rub_per_star = rub_per_star
        self._provider_token = provider_token

    def create_checkout(self, order: CheckoutRequest) -> Checkout:
        """A link for the order, in Stars rounded up to a whole one, or in kopecks.

        A repeat gives another link to the same payment; both stay valid, and pre-checkout lets
        only one be paid. ValueError for an order that is not in rubles.
        """
        if order.currency != "RUB":
            raise ValueError(f"prices are in RUB, not {order.currency}")
        stars = self._currency == STARS
        amount = in_stars(order.amount, self._rub_per_star) if stars else to_minor(order.amount)
        reference = str(order.payment_id)
        with _asking("create_invoice_link"):
            url = self._bot.create_invoice_link(
                _shortened(order.title, TITLE_LIMIT),
                _shortened(order.description or order.title, DESCRIPTION_LIMIT),
                payload=Metadata.of(order, amount, self._currency).as_payload(),
                currency=self._currency,
                amount=amount,
                provider_token="" if stars else self._provider_token,
            )
        return Checkout(reference, url, asked_minor=amount, asked_currency=self._currency)

    def read_back(self, payment: PaymentRef) -> Notice:
        """What the Star ledger says about a payment; rubles cannot be read and are always PENDING.

        For a link paid twice it returns the charge already known, otherwise the first.
        """
        if payment.asked_currency != STARS:
            return _unpaid(payment, Outcome.PENDING)
        with _asking("get_star_transactions"):
            rows = [
                row
                for row in star_transactions_since(self._bot, payment.created_at - SLACK)
                if _concerns(row, payment)
            ]
        paid = next((row for row in rows if row.incoming), None)
        if paid is None:
            return _unpaid(payment, Outcome.PENDING)
        # A refund has the id of its charge and comes after it.
        newest = [row for row in rows if row.charge_id == paid.charge_id][-1]
        return _read(newest, payment)

    def close(self, payment: PaymentRef) -> Notice:
        """EXPIRED unless paid: a link cannot be revoked, but pre-checkout refuses expired payments.

        A payment that passed pre-checkout just before may still succeed afterwards.
        """
        found = self.read_back(payment)
        return _unpaid(payment, Outcome.EXPIRED) if found.outcome is Outcome.PENDING else found

    def list_since(self, moment: datetime) -> Iterator[Notice]:
        """See Gateway. Stars only: nobody lists rubles that came through a provider token."""
        with _asking("get_star_transactions"):
            for row in star_transactions_since(self._bot, moment):
                # Without a person it is not a customer's: a withdrawal, or what an advert earned.
                if row.user_id is not None:
                    yield _read(row)
        if self._currency != STARS:
            raise ProviderRejected(PROVIDER, "list_payments", "rubles cannot be listed")

    def find_refund(
        self, payment: PaymentRef, *, amount_minor: int | None, key: str
    ) -> Notice | None:
        """See Gateway. Always None: Telegram refunds a charge once, whatever the key."""
        return None

    def refund(self, payment: PaymentRef, *, amount_minor: int, key: str) -> Notice:
        """Return all Stars of a charge. ProviderRejected for a part of them, or for rubles.

        Needs no key: Telegram refunds a charge once.
        """
        call = "refund_star_payment"
        if payment.asked_currency != STARS:
            raise ProviderRejected(
                PROVIDER, call, "rubles are returned in the payment provider's own dashboard"
            )
        payer = payment.payer_telegram_id
        if payment.charge_reference is None or not payer.isdecimal():
            raise ProviderRejected(PROVIDER, call, "no charge of a Telegram user is known")
        if amount_minor != payment.asked_minor:
            raise ProviderRejected(PROVIDER, call, "Stars of a charge are returned whole")
        with _asking(call):
            self._bot.refund_star_payment(int(payer), payment.charge_reference)
        return _money(
            Outcome.REFUNDED,
            payment.charge_reference,
            amount=payment.asked_minor,
            currency=payment.asked_currency,
            payload=str(payment.payment_id),
            payer_id=payer,
        )

    def parse_event(
        self, raw: bytes, headers: Mapping[str, str], *, client_ip: str | None, now: datetime
    ) -> Event | None:
        """A Question before a payment, a Notice after it or its refund, None for anything else.

        The secret header is the only proof there is. SignatureInvalid; ApiError `bad_request`.
        """
        self._check_secret(headers)
        update = parse_update(json_object(raw))
        if isinstance(update, PreCheckout):
            return Question(
                provider=PROVIDER,
                query_id=update.query_id,
                payment_id=payment_of(update.payload),
                amount_minor=update.total_amount,
                currency=update.currency,
                payer_id=str(update.payer_id),
            )
        if isinstance(update, SuccessfulPayment):
            return self._notice(update, Outcome.SUCCEEDED, update.paid_at)
        if isinstance(update, RefundedPayment):
            return self._notice(update, Outcome.REFUNDED, update.refunded_at)
        return None

    def confirm(self, hint: Hint) -> Notice:
        """Never called: Telegram reports everything at once, so it gives no hints."""
        raise SignatureInvalid(PROVIDER, "Telegram gives no hints")

    def answer(self, question: Question, refusal: str | None) -> bool:
        """Let a payment proceed, or stop it with a text for the payer; False when it is too late.

        Takes 7 s at most, of the 10 s that Telegram waits.
        """
        with _asking("answer_pre_checkout_query"):
            return self._bot.answer_pre_checkout_query(
                question.query_id, ok=refusal is None, error_message=refusal or ""
            )

    def _check_secret(self, headers: Mapping[str, str]) -> None:
        given = header(headers, SECRET_HEADER).encode("utf-8", "replace")
        # Every secret is compared, so that timing does not reveal which one came close.
        matches = [hmac.compare_digest(given, secret) for secret in self._secrets]
        if not any(matches):
            raise SignatureInvalid(PROVIDER, "wrong secret" if self._secrets else "no secret set")

    def _notice(
        self, update: SuccessfulPayment | RefundedPayment, outcome: Outcome, at: datetime
    ) -> Notice:
        test_money = update.currency != STARS and ":TEST:" in self._provider_token
        notice = _money(
            outcome,
            update.charge_id,
            amount=update.total_amount,
            currency=update.currency,
            payload=update.payload,
            payer_id=str(update.payer_id),
        )
        return replace(
            notice,
            livemode=False if test_money else None,
            occurred_at=at,
            raw=_impersonal(update),
        )


def in_stars(amount_rub: Decimal, rub_per_star: Decimal) -> int:
    """What is asked for an amount of rubles, in whole Stars, rounded up."""
    return int((amount_rub / rub_per_star).to_integral_value(ROUND_CEILING))


def _concerns(row: StarTransaction, payment: PaymentRef) -> bool:
    if payment.charge_reference is not None:
        return row.charge_id == payment.charge_reference
    return payment_of(row.payload) == payment.payment_id


def _read(row: StarTransaction, payment: PaymentRef | None = None) -> Notice:
    """payment: the one it is known to be of, whatever the row says."""
    expected = payment.payer_telegram_id if payment else None
    payer_id = expected if row.user_id is None else str(row.user_id)
    notice = _money(
        Outcome.SUCCEEDED if row.incoming else Outcome.REFUNDED,
        row.charge_id,
        amount=row.amount,
        currency=STARS,
        payload=str(payment.payment_id) if payment else row.payload or "",
        payer_id=payer_id,
    )
    raw = {"id": row.charge_id, "amount": row.amount, "incoming": row.incoming}
    return replace(notice, occurred_at=row.made_at, raw=raw)


def _money(
    outcome: Outcome,
    charge_id: str,
    *,
    amount: int,
    currency: str,
    payload: str,
    payer_id: str | None,
) -> Notice:
    """A charge or its refund: each happens once, in full, so the charge's id names both facts."""
    refunded = outcome is Outcome.REFUNDED
    return Notice(
        provider=PROVIDER,
        event_id=f"refund:{charge_id}" if refunded else charge_id,
        kind="refunded_payment" if refunded else "successful_payment",
        outcome=outcome,
        payment_id=payment_of(payload),
        reference=_without_person(payload) or None,
        charge_reference=charge_id,
        amount_minor=amount,
        currency=currency,
        refunded_minor=amount if refunded else None,
        refund_reference=charge_id if refunded else None,
        payer_id=payer_id,
        metadata=read_payload(payload),
    )


def _without_person(payload: str) -> str:
    """The id of our payment, without whom it is for; what is not ours is left as it is."""
    payment_id = payment_of(payload)
    return payload if payment_id is None else str(payment_id)


def _unpaid(payment: PaymentRef, outcome: Outcome) -> Notice:
    return Notice(
        provider=PROVIDER,
        event_id=f"{outcome}:{payment.payment_id}",
        kind=f"invoice_{outcome}",
        outcome=outcome,
        payment_id=payment.payment_id,
        reference=payment.reference,
    )


def _impersonal(update: SuccessfulPayment | RefundedPayment) -> dict[str, Any]:
    elsewhere = ("payer_id", "paid_at", "refunded_at")
    fields = {name: value for name, value in asdict(update).items() if name not in elsewhere}
    # Of Stars the payload is the provider's id of the charge, too.
    return {
        name: _without_person(value) if isinstance(value, str) else value
        for name, value in fields.items()
    }


def _shortened(text: str, limit: int) -> str:
    words = " ".join(text.split())
    return words if len(words) <= limit else f"{words[: limit - 1].rstrip()}…"


@contextmanager
def _asking(call: str) -> Iterator[None]:
    """Telegram's refusals as those of a payment provider."""
    try:
        yield
    except TelegramError as error:
        if error.meaning is Meaning.TEMPORARY:
            raise ProviderUnavailable(
                PROVIDER, call, error.description, retry_after=error.retry_after
            ) from error
        if error.meaning is Meaning.CONFIGURATION:
            raise ProviderMisconfigured(PROVIDER, call, error.description) from error
        raise ProviderRejected(PROVIDER, call, error.description) from error
