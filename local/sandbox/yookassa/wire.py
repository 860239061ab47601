"""YooKassa's wire format: errors, and what a create request may contain."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import uuid4

from flask import Response, jsonify

from local.sandbox.faults import Fault

# All fields of a payment request, as the official SDK sends them.
PAYMENT_FIELDS = frozenset(
    {
        "amount",
        "description",
        "receipt",
        "recipient",
        "payment_token",
        "payment_method_id",
        "payment_method_data",
        "confirmation",
        "save_payment_method",
        "capture",
        "client_ip",
        "metadata",
        "airline",
        "transfers",
        "deal",
        "fraud_data",
        "merchant_customer_id",
        "payment_order",
        "receiver",
        "statements",
    }
)
REFUND_FIELDS = frozenset(
    {"payment_id", "amount", "description", "receipt", "sources", "deal", "metadata"}
)
# Rubles; the limits of one card payment.
SMALLEST, LARGEST = Decimal("1.00"), Decimal("350000.00")

_AMOUNT = re.compile(r"\d{1,10}\.\d{2}", re.ASCII)
_KEY = re.compile(r"[0-9a-zA-Z+\-_.]{1,64}")
_CODES = {
    400: ("invalid_request", "Invalid request"),
    401: ("invalid_credentials", "Basic authentication failed: check shopId and secret key"),
    403: ("forbidden", "Not enough rights for this operation"),
    404: ("not_found", "No such object"),
    429: ("too_many_requests", "Too many requests"),
    500: ("internal_server_error", "Internal server error"),
}


class Refusal(Exception):
    """An error answer of the API."""

    def __init__(self, status: int, description: str = "", parameter: str | None = None) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.parameter = parameter

    def body(self) -> dict[str, Any]:
        """The error object."""
        code, text = _CODES.get(self.status, _CODES[500])
        error = {
            "type": "error",
            "id": str(uuid4()),
            "code": code,
            "description": self.description or text,
        }
        return error | ({"parameter": self.parameter} if self.parameter else {})

    def response(self) -> Response:
        """The answer on the wire."""
        answer = jsonify(self.body())
        answer.status_code = self.status
        return answer


def fault_response(fault: Fault) -> Response:
    """The answer of a `status` fault: 202 means "still processing", with times in milliseconds."""
    body: dict[str, Any] = (
        {"type": "processing", "description": "Request accepted, but not processed yet"}
        if fault.status == 202
        else Refusal(fault.status).body()
    )
    if fault.retry_after is not None:
        body["retry_after"] = round(fault.retry_after * 1000)
    answer = jsonify(body)
    answer.status_code = fault.status
    return answer


def check_key(key: str | None) -> str:
    """Check the Idempotence-Key of a POST, which is required."""
    if not key:
        raise Refusal(400, "Idempotence key is required", "Idempotence-Key")
    if not _KEY.fullmatch(key):
        raise Refusal(400, "Incorrect format of the idempotence key", "Idempotence-Key")
    return key


def check_payment(body: Mapping[str, Any]) -> Decimal:
    """Validate a payment request; its amount."""
    _check_fields(body, PAYMENT_FIELDS)
    amount = check_amount(body, "RUB")
    if not SMALLEST <= amount <= LARGEST:
        raise Refusal(400, "Amount is out of limits", "amount.value")
    _check_text(body, "description", 128)
    _check_metadata(body.get("metadata") or {})
    if not isinstance(body.get("capture", False), bool):
        raise Refusal(400, "Must be a boolean", "capture")
    confirmation = body.get("confirmation")
    if not isinstance(confirmation, dict) or confirmation.get("type") != "redirect":
        raise Refusal(400, "Only redirect is known here", "confirmation.type")
    return_url = confirmation.get("return_url")
    if not isinstance(return_url, str) or not return_url.startswith(("http://", "https://")):
        raise Refusal(400, "A return_url is required", "confirmation.return_url")
    if body.get("receipt"):
        _check_receipt(body["receipt"], amount)
    return amount


def check_refund(body: Mapping[str, Any], currency: str) -> Decimal:
    """Validate a refund request; its amount."""
    _check_fields(body, REFUND_FIELDS)
    amount = check_amount(body, currency)
    _check_text(body, "description", 250)
    _check_metadata(body.get("metadata") or {})
    if body.get("receipt"):
        _check_receipt(body["receipt"], amount)
    return amount


def check_amount(body: Mapping[str, Any], currency: str) -> Decimal:
    """Validate `amount` of a body: {"value": "199.00", "currency": "RUB"}, both strings."""
    amount = body.get("amount")
    if not isinstance(amount, dict):
        raise Refusal(400, "Amount is required", "amount")
    value = amount.get("value")
    if not isinstance(value, str) or not _AMOUNT.fullmatch(value) or Decimal(value) <= 0:
        raise Refusal(400, "Incorrect amount", "amount.value")
    if amount.get("currency") != currency:
        raise Refusal(400, "Incorrect currency", "amount.currency")
    return Decimal(value)


def _check_fields(body: Mapping[str, Any], fields: frozenset[str]) -> None:
    # The real API ignores unknown fields; here a typo should be noticed.
    if unknown := sorted(set(body) - fields):
        raise Refusal(400, "Unknown field", unknown[0])


def _check_text(body: Mapping[str, Any], name: str, longest: int) -> None:
    text = body.get(name)
    if text is not None and (not isinstance(text, str) or len(text) > longest):
        raise Refusal(400, f"Must be a string of at most {longest} characters", name)


def _check_metadata(metadata: Any) -> None:
    if not isinstance(metadata, dict) or len(metadata) > 16:
        raise Refusal(400, "At most 16 keys", "metadata")
    for key, value in metadata.items():
        if len(key) > 32 or not isinstance(value, str) or len(value) > 512:
            raise Refusal(400, "Key or value too long, or not a string", "metadata")


def _check_receipt(receipt: Any, amount: Decimal) -> None:
    customer = receipt.get("customer") or {}
    if not (customer.get("email") or customer.get("phone")):
        raise Refusal(400, "E-mail or phone is required", "receipt.customer")
    items = receipt.get("items") or []
    if not 1 <= len(items) <= 80:
        raise Refusal(400, "1 to 80 items", "receipt.items")
    total = Decimal(0)
    for item in items:
        if not item.get("description") or len(item["description"]) > 128:
            raise Refusal(400, "1 to 128 characters", "receipt.items.description")
        if item.get("vat_code") not in range(1, 13):
            raise Refusal(400, "1 to 12", "receipt.items.vat_code")
        total += Decimal(str(item["quantity"])) * check_amount(item, "RUB")
    if total != amount:
        raise Refusal(400, "Total of the receipt is not the amount", "receipt.items")
