"""Fiscal receipts under Russian law 54-FZ, for a shop that registers them through YooKassa."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from providers.payments import from_minor

MAX_ITEM_NAME = 128


@dataclass(frozen=True)
class ReceiptRules:
    """What the shop's accountant specifies; codes are those of YooKassa's receipt reference.

    email: where receipts go of customers whose address is not known. vat_code: 1 is "no
    VAT". tax_system_code: 0 sends none, which is right unless the shop has several systems.
    """

    email: str
    vat_code: int
    tax_system_code: int
    payment_subject: str
    payment_mode: str

    def receipt(
        self, title: str, minor: int, currency: str, *, email: str | None = None
    ) -> dict[str, Any]:
        """A receipt with one line for exactly the amount that is paid or returned.

        email: the customer's, if it is known.
        """
        line = {
            "description": title[:MAX_ITEM_NAME],
            "quantity": "1.00",
            "amount": {"value": str(from_minor(minor)), "currency": currency},
            "vat_code": self.vat_code,
            "payment_subject": self.payment_subject,
            "payment_mode": self.payment_mode,
        }
        receipt: dict[str, Any] = {"customer": {"email": email or self.email}, "items": [line]}
        if self.tax_system_code:
            receipt["tax_system_code"] = self.tax_system_code
        return receipt
