"""What the forms of the simulated account may contain, and the bill of a session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.sandbox.stripe.wire import FLAG, METADATA, TEXT, URL, WHOLE, Fields, Refusal

# Smallest charge, minor units: about 0.50 US dollars.
SMALLEST = {"usd": 50, "eur": 50, "rub": 4000}
LARGEST = 99_999_999

SESSION_FIELDS: Fields = {
    "mode": TEXT,
    "success_url": URL,
    "cancel_url": URL,
    "client_reference_id": TEXT,
    "customer_email": TEXT,
    "locale": TEXT,
    "expires_at": WHOLE,
    "metadata": METADATA,
    "payment_intent_data": {"metadata": METADATA, "description": TEXT},
    "adaptive_pricing": {"enabled": FLAG},
    "line_items": [
        {
            "quantity": WHOLE,
            "price_data": {
                "currency": TEXT,
                "unit_amount": WHOLE,
                "product_data": {"name": TEXT, "description": TEXT},
            },
        }
    ],
    "expand": [TEXT],
}
REFUND_FIELDS: Fields = {
    "payment_intent": TEXT,
    "charge": TEXT,
    "amount": WHOLE,
    "reason": TEXT,
    "metadata": METADATA,
    "expand": [TEXT],
}
READ_FIELDS: Fields = {"expand": [TEXT]}
LIST_FIELDS: Fields = {
    "payment_intent": TEXT,
    "status": TEXT,
    "created": {"gte": WHOLE},
    "limit": WHOLE,
    "starting_after": TEXT,
    "expand": [TEXT],
}


def bill(form: Mapping[str, Any]) -> tuple[str, int, str]:
    """Validate the form of a session; its currency, total and name."""
    for name in ("mode", "success_url", "line_items"):
        if name not in form:
            raise Refusal(
                400,
                f"Missing required param: {name}.",
                code="parameter_missing",
                param=name,
                stored=False,
            )
    if form["mode"] != "payment":
        raise Refusal(400, "Only mode=payment is known here", param="mode")
    items = form["line_items"]
    try:
        prices = [(item["quantity"], item["price_data"]) for item in items]
        total = sum(quantity * price["unit_amount"] for quantity, price in prices)
        names = [str(price["product_data"]["name"]) for _, price in prices]
        currencies = {str(price["currency"]) for _, price in prices}
    except KeyError as missing:
        raise Refusal(
            400,
            f"Missing required param: line_items[0]{missing}.",
            code="parameter_missing",
            param="line_items",
            stored=False,
        ) from None
    if len(currencies) != 1 or not currencies <= set(SMALLEST):
        raise Refusal(400, "Invalid currency", param="line_items[0][price_data][currency]")
    currency = currencies.pop()
    if any(quantity < 1 for quantity, _ in prices) or not 0 < total <= LARGEST:
        raise Refusal(400, "Invalid amount", param="line_items[0][price_data][unit_amount]")
    if total < SMALLEST[currency]:
        raise Refusal(
            400,
            "The Checkout Session's total amount must convert to at least 50 cents",
            code="amount_too_small",
        )
    return currency, total, ", ".join(names)
