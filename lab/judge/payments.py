"""The providers' own libraries, as readers of our payments and as senders of notifications."""

from __future__ import annotations

import json
import time
from typing import Any

import stripe
import yookassa
from yookassa.domain.notification import WebhookNotificationFactory

from lab.judge.customers import Customer
from lab.judge.verdicts import insist
from local.stack import Stack

LATE_SECONDS = 3600


def stripe_sdk(stack: Stack) -> str:
    """stripe-python reads our session, signs events that we accept, and rejects what we reject."""
    customer = Customer(stack)
    customer.control("PUT", "/stripe/webhook", paused=True)
    intent = customer.intent("stripe")
    sdk = stripe.StripeClient(
        stack.settings.stripe_secret_key, base_addresses={"api": stack.settings.stripe_api_url}
    )
    session = sdk.v1.checkout.sessions.retrieve(intent["reference"])
    asked = (session.amount_total, session.currency, session.url)
    wanted = (round(intent["amountRub"] * 100), "rub", intent["paymentUrl"])
    insist(asked == wanted, f"Stripe reads {asked}, the answer said {wanted}")
    customer.control("POST", f"/stripe/sessions/{session.id}/pay")
    events = [
        each["body"]
        for each in customer.control("GET", "/stripe/events")
        if session.id in each["body"]
    ]
    secret = stack.settings.stripe_webhook_secret[0]
    for body in events:
        refused = _reject_forgeries(customer, body, secret)
        _notify_twice(customer, intent, body, _sign(body, secret))
    customer.control("PUT", "/stripe/webhook", paused=False)
    return (
        f"{stripe.VERSION}: session read, {len(events)} signed event sent twice and credited once, "
        f"{refused} forgeries refused by both"
    )


def yookassa_sdk(stack: Stack) -> str:
    """The YooKassa SDK reads our payment and its notification, and sends what we accept."""
    customer = Customer(stack)
    customer.control("PUT", "/yookassa/webhook", paused=True)
    intent = customer.intent("yookassa")
    settings = stack.settings
    yookassa.Configuration.configure(
        settings.yookassa_shop_id, settings.yookassa_secret_key, api_url=settings.yookassa_api_url
    )
    identifier = intent["reference"]
    payment = yookassa.Payment.find_one(identifier)
    asked = (payment.amount.value, payment.amount.currency, payment.confirmation.confirmation_url)
    insist(
        (float(asked[0]), *asked[1:]) == (intent["amountRub"], "RUB", intent["paymentUrl"]),
        f"YooKassa reads {asked}, the answer said {intent}",
    )
    # A well-formed notification of what has not happened: the API is asked, and denies it.
    early = _notification("payment.succeeded", dict(payment) | {"status": "succeeded"})
    customer.notify("yookassa", early)
    insist(customer.balance() == 0, "a notification was believed without asking YooKassa")
    customer.control("POST", f"/yookassa/payments/{identifier}/pay")
    sent = [each["body"] for each in customer.control("GET", "/yookassa/events")]
    notices = [WebhookNotificationFactory().create(json.loads(body)) for body in sent]
    notice = next(each for each in notices if each.object.id == identifier)
    insist(notice.event == "payment.succeeded" and notice.object.paid, f"parsed {dict(notice)}")
    _notify_twice(customer, intent, json.dumps(dict(notice), default=str), {})
    customer.control("PUT", "/yookassa/webhook", paused=False)
    return (
        f"{yookassa.__version__}: payment read, notification parsed, sent twice and credited once, "
        "a premature one not believed"
    )


def _notification(event: str, payment: dict[str, Any]) -> bytes:
    body = {"type": "notification", "event": event, "object": payment}
    return json.dumps(body, default=str).encode()


def _sign(body: str, secret: str, late: int = 0) -> dict[str, str]:
    stamp = int(time.time()) - late
    header = stripe.WebhookSignature.generate_signature_header(body, secret, stamp)
    return {"Stripe_Signature": header}


def _reject_forgeries(customer: Customer, body: str, secret: str) -> int:
    """Send forgeries, each rejected by Stripe's library and with 401 by us; their number."""
    genuine = _sign(body, secret)
    forgeries = [
        (body, _sign(body, "whsec_of_somebody_else")),
        (body, _sign(body, secret, late=LATE_SECONDS)),
        (body.replace("paid", "pain"), genuine),
        (body + " ", genuine),
        (body, {"Stripe_Signature": genuine["Stripe_Signature"].replace("v1=", "v0=")}),
        (body, {"Stripe_Signature": ""}),
    ]
    stripe.Webhook.construct_event(body, genuine["Stripe_Signature"], secret)
    for forged, headers in forgeries:
        try:
            stripe.Webhook.construct_event(forged, headers["Stripe_Signature"], secret)
        except stripe.SignatureVerificationError:
            status = customer.notify("stripe", forged.encode(), **headers)
            insist(status == 401, f"Stripe refuses {headers}, we answer {status}")
        else:
            insist(False, f"Stripe takes {headers}")
    return len(forgeries)


def _notify_twice(
    customer: Customer, intent: dict[str, Any], body: str, headers: dict[str, str]
) -> None:
    for _ in range(2):
        status = customer.notify(intent["provider"], body.encode(), **headers)
        insist(status == 200, f"{intent['provider']}: a genuine notification got {status}")
    balance = customer.balance()
    insist(balance == intent["tokens"], f"{intent['provider']}: the balance is {balance}")
