"""What a provider keeps with a payment of ours: enough to make its row again, should it be lost.

Stripe and YooKassa take metadata, which only our secret key can set or change; for Telegram it is
the payload of the invoice, which only the bot itself writes. Both are limited: 500 characters a
value at Stripe, 16 values at YooKassa, 128 bytes in all at Telegram.
"""

from __future__ import annotations

import base64
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from providers.payments.webhooks import uuid_or_none

if TYPE_CHECKING:
    from providers.payments import CheckoutRequest

PAYLOAD_BYTES = 128
PACKED = 22
_PARTS = ("payment_id", "user_id", "amount_rub", "tokens", "asked", "tariff_id", "telegram_id")
_AMOUNT = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,2})?")
_ASKED = re.compile(r"([0-9]{1,9}) ?([A-Z]{3})")
_TELEGRAM_ID = re.compile(r"[!-~]{1,32}")


class Metadata(NamedTuple):
    """The columns of a payment that cannot be learned otherwise; see db.models.Payment.

    service: where its customers come from, since an account may serve several; None in a payload,
    which is of one bot. plan: None in a payload, which has no room for it.
    """

    payment_id: UUID
    user_id: UUID
    telegram_id: str
    amount_rub: Decimal
    tokens: Decimal
    asked_minor: int
    asked_currency: str
    tariff_id: UUID | None
    plan: str | None
    service: str | None

    @classmethod
    def of(cls, order: CheckoutRequest, asked_minor: int, asked_currency: str) -> Metadata:
        """What is kept of an order; the same for the same order, since a key asks for that."""
        return cls(
            payment_id=order.payment_id,
            user_id=order.user_id,
            telegram_id=order.payer_telegram_id,
            amount_rub=order.amount,
            tokens=order.tokens,
            asked_minor=asked_minor,
            asked_currency=asked_currency,
            tariff_id=order.tariff_id,
            plan=order.plan,
            service=order.return_url,
        )

    def as_texts(self) -> dict[str, str]:
        """As pairs of texts, for Stripe and YooKassa."""
        texts = {
            "payment_id": str(self.payment_id),
            "user_id": str(self.user_id),
            "telegram_id": self.telegram_id,
            "amount_rub": f"{self.amount_rub:.2f}",
            "tokens": f"{self.tokens:.2f}",
            "asked": f"{self.asked_minor} {self.asked_currency}",
            "tariff_id": str(self.tariff_id or ""),
            "plan": self.plan or "",
            "service": self.service or "",
        }
        # Stripe takes an empty text as "remove this key".
        return {name: text for name, text in texts.items() if text}

    def as_payload(self) -> str:
        """As one text; the payment's id alone where the rest has no room."""
        parts = (
            str(self.payment_id),
            _packed(self.user_id),
            f"{self.amount_rub:.2f}",
            f"{self.tokens:.2f}",
            f"{self.asked_minor}{self.asked_currency}",
            _packed(self.tariff_id) if self.tariff_id else "",
            self.telegram_id,  # the last: it may contain colons
        )
        payload = ":".join(parts)
        return payload if len(payload.encode()) <= PAYLOAD_BYTES else parts[0]


def read_texts(texts: Any) -> Metadata | None:
    """What as_texts() wrote; None for anything else, such as what an earlier version wrote."""
    return _read(texts) if isinstance(texts, dict) and texts.get("service") else None


def read_payload(payload: str | None) -> Metadata | None:
    """What as_payload() wrote; None for anything else."""
    parts = (payload or "").split(":", len(_PARTS) - 1)
    return _read(dict(zip(_PARTS, parts, strict=False))) if len(parts) == len(_PARTS) else None


def payment_of(payload: str | None) -> UUID | None:
    """The payment that a payload is of, by this or an earlier version."""
    return uuid_or_none((payload or "").partition(":")[0])


def _read(texts: dict[str, Any]) -> Metadata | None:
    try:
        asked, telegram_id = _ASKED.fullmatch(texts["asked"]), texts["telegram_id"]
        if asked is None or not _TELEGRAM_ID.fullmatch(telegram_id):
            return None
        return Metadata(
            payment_id=UUID(texts["payment_id"]),
            user_id=_uuid(texts["user_id"]),
            telegram_id=telegram_id,
            amount_rub=_amount(texts["amount_rub"]),
            tokens=_amount(texts["tokens"]),
            asked_minor=int(asked[1]),
            asked_currency=asked[2],
            tariff_id=_uuid(texts["tariff_id"]) if texts.get("tariff_id") else None,
            plan=texts.get("plan"),
            service=texts.get("service"),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _amount(text: str) -> Decimal:
    if not _AMOUNT.fullmatch(text) or not Decimal(text):
        raise ValueError("not an amount")
    return Decimal(text)


def _packed(value: UUID) -> str:
    """22 characters for the 36 of a UUID."""
    return base64.urlsafe_b64encode(value.bytes).decode().rstrip("=")


def _uuid(text: str) -> UUID:
    """Of 36 characters, or packed. ValueError."""
    if len(text) == PACKED:
        return UUID(bytes=base64.urlsafe_b64decode(f"{text}=="))
    return UUID(text)
