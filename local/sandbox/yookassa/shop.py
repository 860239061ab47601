"""The simulated shop: payments, refunds and their states. No HTTP here."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from local.sandbox.clock import Clock
from local.sandbox.webhooks import Sender
from local.sandbox.yookassa.wire import Refusal, check_payment, check_refund

PAY_WITHIN = timedelta(hours=1)
CAPTURE_WITHIN = timedelta(days=7)
LIFETIME_SECONDS = 24 * 3600.0
DECLINES = (
    "3d_secure_failed",
    "card_expired",
    "fraud_suspected",
    "general_decline",
    "insufficient_funds",
)
CARD = {"first6": "555555", "last4": "4444", "expiry_year": "2030", "expiry_month": "12"}


@dataclass
class Shop:
    """One test shop. `refunds_wait`: new refunds stay pending until they are ended."""

    shop_id: str
    clock: Clock
    sender: Sender
    page_url: Callable[[str], str]
    refunds_wait: bool = False
    payments: dict[str, dict[str, Any]] = field(default_factory=dict)
    refunds: dict[str, dict[str, Any]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create a pending payment with a page to pay on."""
        amount = check_payment(body)
        identifier = _identifier("000f")
        payment = {
            "id": identifier,
            "status": "pending",
            "paid": False,
            "amount": _money(amount),
            "confirmation": {
                "type": "redirect",
                "return_url": body["confirmation"]["return_url"],
                "confirmation_url": self.page_url(identifier),
            },
            "created_at": timestamp(self.clock.now()),
            "description": body.get("description"),
            "metadata": body.get("metadata") or {},
            "recipient": {"account_id": self.shop_id, "gateway_id": "100700"},
            "refundable": False,
            "test": True,
            # Internal, removed by public_copy().
            "_capture": body.get("capture", False),
            "_return_url": body["confirmation"]["return_url"],
        }
        if body.get("receipt"):
            payment["receipt_registration"] = "pending"
        with self.lock:
            self.payments[identifier] = payment
        return public_copy(payment)

    def read_payment(self, identifier: str) -> dict[str, Any]:
        """A payment in its current state; one unpaid for too long is canceled first."""
        with self.lock:
            found = self._find(self.payments, identifier)
            self._expire_when_late(found)
            return public_copy(found)

    def return_url(self, identifier: str) -> str:
        """Where customers return when they are done; the API shows it only before they pay."""
        return str(self._find(self.payments, identifier)["_return_url"])

    def pay(self, identifier: str) -> dict[str, Any]:
        """Pay by card as the customer."""
        with self.lock:
            payment = self._in_status(identifier, "pending")
            payment["paid"] = True
            payment["payment_method"] = {
                "type": "bank_card",
                "id": identifier,
                "saved": False,
                "title": "Bank card *4444",
                "card": CARD | {"card_type": "MasterCard"},
            }
            payment.pop("confirmation")
            if payment["_capture"]:
                return self._succeed(payment)
            payment["status"] = "waiting_for_capture"
            payment["expires_at"] = timestamp(self.clock.now() + CAPTURE_WITHIN)
            return self._notify("payment.waiting_for_capture", payment)

    def capture(self, identifier: str) -> dict[str, Any]:
        """Capture a held payment."""
        with self.lock:
            return self._succeed(self._in_status(identifier, "waiting_for_capture"))

    def cancel(
        self, identifier: str, *, party: str, reason: str, was: str = "pending"
    ) -> dict[str, Any]:
        """Cancel a payment: declined, expired, or canceled by the shop."""
        with self.lock:
            return self._cancel(self._in_status(identifier, was), party, reason)

    def refund(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Refund a payment in part or whole, never more than is left."""
        with self.lock:
            payment = self.payments.get(str(body.get("payment_id")))
            if payment is None or payment["status"] != "succeeded":
                raise Refusal(400, "Payment is not found or not succeeded", "payment_id")
            amount = check_refund(body, payment["amount"]["currency"])
            held = sum(
                (Decimal(each["amount"]["value"]) for each in self._refunds_of(payment["id"])),
                Decimal(0),
            )
            if held + amount > Decimal(payment["amount"]["value"]):
                raise Refusal(400, "Refund is larger than what is left", "amount.value")
            refund = {
                "id": _identifier("0015"),
                "payment_id": payment["id"],
                "status": "pending",
                "amount": _money(amount),
                "created_at": timestamp(self.clock.now()),
                "metadata": body.get("metadata") or {},
            }
            if body.get("description"):
                refund["description"] = body["description"]
            self.refunds[refund["id"]] = refund
            return public_copy(refund) if self.refunds_wait else self.end_refund(refund["id"])

    def read_refund(self, identifier: str) -> dict[str, Any]:
        """A refund in its current state."""
        with self.lock:
            return public_copy(self._find(self.refunds, identifier))

    def end_refund(self, identifier: str, *, canceled: bool = False) -> dict[str, Any]:
        """End a pending refund; a canceled one sends no notification."""
        with self.lock:
            refund = self._find(self.refunds, identifier)
            if refund["status"] != "pending":
                raise Refusal(400, f"The refund is {refund['status']}", "refund_id")
            if canceled:
                refund["status"] = "canceled"
                refund["cancellation_details"] = {
                    "party": "yoo_money",
                    "reason": "insufficient_funds",
                }
                return public_copy(refund)
            refund["status"] = "succeeded"
            payment = self.payments[refund["payment_id"]]
            returned = Decimal(payment["refunded_amount"]["value"])
            returned += Decimal(refund["amount"]["value"])
            payment["refunded_amount"] = _money(returned)
            payment["refundable"] = returned < Decimal(payment["amount"]["value"])
            return self._notify("refund.succeeded", refund)

    def expire_late(self) -> None:
        """Cancel every payment whose time is over; called when the clock has been advanced."""
        with self.lock:
            for payment in list(self.payments.values()):
                self._expire_when_late(payment)

    def _expire_when_late(self, payment: dict[str, Any]) -> None:
        if payment["status"] == "pending" and self.clock.now() >= PAY_WITHIN + _moment(payment):
            self._cancel(payment, "yoo_money", "expired_on_confirmation")

    def _cancel(self, payment: dict[str, Any], party: str, reason: str) -> dict[str, Any]:
        payment["status"] = "canceled"
        payment["paid"] = False
        payment["cancellation_details"] = {"party": party, "reason": reason}
        payment.pop("confirmation", None)
        return self._notify("payment.canceled", payment)

    def _succeed(self, payment: dict[str, Any]) -> dict[str, Any]:
        value = Decimal(payment["amount"]["value"])
        payment.pop("expires_at", None)
        payment |= {
            "status": "succeeded",
            "paid": True,
            "captured_at": timestamp(self.clock.now()),
            "income_amount": _money((value * Decimal("0.965")).quantize(Decimal("0.01"))),
            "refunded_amount": _money(Decimal("0.00")),
            "refundable": True,
        }
        if "receipt_registration" in payment:
            payment["receipt_registration"] = "succeeded"
        return self._notify("payment.succeeded", payment)

    def _notify(self, event: str, subject: dict[str, Any]) -> dict[str, Any]:
        body = {"type": "notification", "event": event, "object": public_copy(subject)}
        self.sender.send(event, json.dumps(body, ensure_ascii=False).encode())
        return public_copy(subject)

    def _in_status(self, identifier: str, status: str) -> dict[str, Any]:
        payment = self._find(self.payments, identifier)
        self._expire_when_late(payment)
        if payment["status"] != status:
            raise Refusal(400, f"The payment is {payment['status']}", "payment_id")
        return payment

    def _find(self, among: dict[str, dict[str, Any]], identifier: str) -> dict[str, Any]:
        if identifier not in among:
            raise Refusal(404)
        return among[identifier]

    def _refunds_of(self, payment_id: str) -> list[dict[str, Any]]:
        return [
            refund
            for refund in self.refunds.values()
            if refund["payment_id"] == payment_id and refund["status"] != "canceled"
        ]


def public_copy(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A copy as sent to clients: without missing values and internal fields."""
    return {
        name: deepcopy(value)
        for name, value in stored.items()
        if value is not None and not name.startswith("_")
    }


def _identifier(kind: str) -> str:
    """An id that looks like a UUID with an invalid version digit, as the real ones."""
    text = secrets.token_hex(12)
    return f"{text[:8]}-{kind}-5000-8{text[8:11]}-{text[11:23]}"


def _money(amount: Decimal) -> dict[str, str]:
    return {"value": f"{amount:.2f}", "currency": "RUB"}


def timestamp(moment: datetime) -> str:
    """A time in UTC as YooKassa writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _moment(payment: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(payment["created_at"])
