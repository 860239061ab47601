"""Stripe Checkout: a page per order, signed events, refunds and disputes read back before use.

Protocol: https://docs.stripe.com/api, at the version pinned below. Events come in any order; those
about money going back are therefore only reasons to read the charge or dispute as it is now.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import requests

from errors import ApiError
from providers.dialects import Dialect, Refusal
from providers.http import Patience, Transport
from providers.payments import (
    Checkout,
    CheckoutRequest,
    Event,
    Hint,
    Metadata,
    Notice,
    Outcome,
    PaymentRef,
    ProviderRejected,
    ProviderUnavailable,
    SignatureInvalid,
    require_amount,
    signatures,
    to_minor,
)
from providers.payments.stripe_objects import (
    DECLINED_EVENT,
    EXPANDED,
    HINTED,
    ID,
    READERS,
    SESSION_EVENTS,
    moment,
    read_declined_intent,
    read_session_event,
    whole,
)
from providers.payments.webhooks import UNREADABLE, header, json_object

PROVIDER = "stripe"
API_VERSION = "2026-10-28.endive"
MAX_NAME = 250
# A key whose first execution ended in a 500 gives that 500 for a day. Nobody has seen the URL that
# such an execution may have created, so another key gives the customer no second page. One new key
# per this many seconds: an outage may spoil each key it sees; the first one after it works.
KEY_SECONDS = 20
PAGE = 100
OPEN_FOR = timedelta(hours=24)  # a page may be paid so long after it was made
# A refund may fail, and a dispute be decided, so long after it was made.
REFUND_FAILS_WITHIN, DISPUTE_ENDS_WITHIN = timedelta(days=30), timedelta(days=180)
LATE = (Outcome.REFUND_FAILED, Outcome.DISPUTE_WON, Outcome.DISPUTE_LOST)


class StripeGateway:
    """The account of `secret_key`; its webhooks are signed with one of `webhook_secrets`."""

    provider = PROVIDER

    def __init__(
        self,
        base_url: str,
        secret_key: str,
        webhook_secrets: Sequence[str],
        *,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """clock: epoch seconds."""
        self._secrets = tuple(webhook_secrets)
        self._clock = clock
        self._api = Transport(
            DIALECT,
            base_url,
            authorization=f"Bearer {secret_key}",
            headers={"Stripe-Version": API_VERSION},
            patience=patience,
        )

    def create_checkout(self, order: CheckoutRequest) -> Checkout:
        """See Gateway. The page is valid for 24 h, as long as Stripe remembers the key."""
        session = self._create_session(order)
        try:
            return Checkout(
                reference=_checked_id(session["id"]),
                url=_checked_url(session["url"]),
                asked_minor=whole(session["amount_total"]),
                asked_currency=str(session["currency"]).upper(),
                expires_at=moment(session["expires_at"]),
            )
        except UNREADABLE as problem:
            raise _strange("create_session", problem) from problem

    def read_back(self, payment: PaymentRef) -> Notice:
        """See Gateway. Reports refunds too."""
        return self._read_notice("checkout/sessions", payment.reference)

    def close(self, payment: PaymentRef) -> Notice:
        """See Gateway. After this the page says that it has expired."""
        path = f"/v1/checkout/sessions/{_checked_id(payment.reference)}/expire"
        try:
            self._api.post(path, {}, call="expire_session", key=None)
        except ProviderRejected as refusal:
            if refusal.http_status != requests.codes.bad_request:
                raise
            # Paid or expired a moment ago: the answer is its present state.
        return self.read_back(payment)

    def list_since(self, moment: datetime) -> Iterator[Notice]:
        """See Gateway."""
        opened_since = int((moment - OPEN_FOR).timestamp())
        seen = set[str | None]()
        for paid in self._listed("checkout/sessions", created=opened_since, status="complete"):
            seen.add(paid.charge_reference)
            yield paid
        for refund in self._made_or_ended("refunds", moment, REFUND_FAILS_WITHIN):
            # A session tells what was returned of it, but not what came back.
            if refund.charge_reference not in seen or refund.outcome in LATE:
                yield refund
        yield from self._made_or_ended("disputes", moment, DISPUTE_ENDS_WITHIN)

    def find_refund(
        self, payment: PaymentRef, *, amount_minor: int | None, key: str
    ) -> Notice | None:
        """See Gateway."""
        for made in self._refunds_of(payment):
            if (made.get("metadata") or {}).get("key") == key:
                require_amount(PROVIDER, amount_minor, whole(made["amount"]))
                return self._notice_of_refund(made)
        return None

    def refund(self, payment: PaymentRef, *, amount_minor: int, key: str) -> Notice:
        """See Gateway. ProviderRejected when the bank fails it or nothing was paid."""
        body = {
            "payment_intent": self._intent(payment),
            "amount": amount_minor,
            "metadata": {"payment_id": str(payment.payment_id), "key": key},
        }
        return self._notice_of_refund(
            self._api.post("/v1/refunds", body, call="create_refund", key=key)
        )

    def parse_event(
        self, raw: bytes, headers: Mapping[str, str], *, client_ip: str | None, now: datetime
    ) -> Event | None:
        """See Gateway. A Notice about a session, a signed Hint about refunds and disputes."""
        signatures.verify(raw, header(headers, "Stripe-Signature"), secrets=self._secrets, now=now)
        event = json_object(raw)
        try:
            kind, item = str(event["type"]), event["data"]["object"]
            if kind in SESSION_EVENTS:
                # Another product on the account may save cards or sell subscriptions.
                ours = item.get("mode", "payment") == "payment"
                return read_session_event(item, event) if ours else None
            if kind == DECLINED_EVENT:
                return read_declined_intent(item, event)
            if kind in HINTED:
                return Hint(PROVIDER, kind, _checked_id(item["id"]), signed=True)
        except UNREADABLE:
            raise ApiError("bad_request", "Not an event of Stripe") from None
        return None

    def confirm(self, hint: Hint) -> Notice:
        """See Gateway. Reads the charge, refund or dispute as it is now."""
        try:
            return self._read_notice(HINTED[hint.kind], hint.object_id)
        except ProviderRejected as refusal:
            if refusal.http_status == requests.codes.not_found:
                raise SignatureInvalid(PROVIDER, "Stripe knows no such object") from refusal
            raise

    def _create_session(self, order: CheckoutRequest) -> dict[str, Any]:
        path, call, key = "/v1/checkout/sessions", "create_session", str(order.payment_id)
        form = _session_form(order)
        try:
            return self._api.post(path, form, call=call, key=key)
        except ProviderUnavailable as failure:
            if not failure.replayed:
                raise
        spare = f"{key}-{int(self._clock() // KEY_SECONDS)}"
        return self._api.post(path, form, call=call, key=spare)

    def _refunds_of(self, payment: PaymentRef) -> Iterator[dict[str, Any]]:
        """Every refund of a payment, newest first. ProviderUnavailable."""
        yield from self._pages("refunds", {"payment_intent": self._intent(payment)})

    def _made_or_ended(
        self, collection: str, moment: datetime, ends_within: timedelta
    ) -> Iterator[Notice]:
        """What was made since then, or earlier and may have ended since: no list tells when."""
        for found in self._listed(collection, created=int((moment - ends_within).timestamp())):
            if found.outcome in LATE or (found.occurred_at and found.occurred_at >= moment):
                yield found

    def _listed(self, collection: str, *, created: int, **filters: str) -> Iterator[Notice]:
        """Every object of a collection made since then, newest first, with what it belongs to."""
        query = {"created[gte]": created, "expand[]": f"data.{EXPANDED[collection]}", **filters}
        for item in self._pages(collection, query):
            try:
                if item.get("mode", "payment") == "payment":  # not of a subscription
                    yield READERS[collection](item)
            except UNREADABLE as problem:
                raise _strange(_call("list", collection), problem) from problem

    def _pages(self, collection: str, query: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        call, after = _call("list", collection), dict[str, str]()
        while True:
            asked = urlencode({**query, "limit": PAGE, **after}, safe="[]")
            page = self._api.get(f"/v1/{collection}?{asked}", call=call)
            before = after
            try:
                yield from page["data"]
                if not page["has_more"]:
                    return
                after = {"starting_after": page["data"][-1]["id"]}
            except (*UNREADABLE, IndexError) as problem:
                raise _strange(call, problem) from problem
            if after == before:
                raise _strange(call, ValueError("the same page again"))

    def _notice_of_refund(self, refund: Mapping[str, Any]) -> Notice:
        notice = self._read_notice("refunds", str(refund.get("id")))
        if notice.outcome is Outcome.REFUND_FAILED:
            raise ProviderRejected(PROVIDER, "create_refund", notice.kind)
        return notice

    def _intent(self, payment: PaymentRef) -> str:
        """The PaymentIntent, needed to return money; it exists once the page has been paid."""
        intent = payment.charge_reference or self.read_back(payment).charge_reference
        if intent is None:
            raise ProviderRejected(PROVIDER, "create_refund", "nothing has been paid")
        return intent

    def _read_notice(self, collection: str, identifier: str) -> Notice:
        expanded = EXPANDED[collection]
        query = urlencode({"expand[]": expanded}, safe="[]") if expanded else ""
        path = f"/v1/{collection}/{_checked_id(identifier)}?{query}".rstrip("?")
        call = _call("read", collection).removesuffix("s")
        found = self._api.get(path, call=call)
        try:
            if found["id"] != identifier:
                raise ValueError("another object")
            return READERS[collection](found)
        except UNREADABLE as problem:
            raise _strange(call, problem) from problem


def encode_form(body: Mapping[str, Any]) -> bytes:
    """Nested values with literal brackets: a[b]=1&list[0][c]=2; booleans as true and false."""
    return urlencode(list(_flat(body, "")), safe="[]").encode()


def _flat(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}[{key}]" if name else key)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _flat(inner, f"{name}[{index}]")
    else:
        yield name, str(value).lower() if isinstance(value, bool) else str(value)


def _session_form(order: CheckoutRequest) -> dict[str, Any]:
    minor = to_minor(order.amount)
    metadata = Metadata.of(order, minor, order.currency).as_texts()
    price = {
        "currency": order.currency.lower(),
        "unit_amount": minor,
        "product_data": {"name": order.title[:MAX_NAME], "description": order.description},
    }
    return {
        "mode": "payment",
        "success_url": order.return_url,
        "cancel_url": order.return_url,
        "client_reference_id": str(order.payment_id),
        "metadata": metadata,
        # Charges inherit it, so refunds and disputes name the payment too.
        "payment_intent_data": {"metadata": metadata},
        "line_items": [{"quantity": 1, "price_data": price}],
        # Otherwise Stripe may offer, and then report, another currency.
        "adaptive_pricing": {"enabled": False},
    }


def _read_refusal(headers: Mapping[str, str], body: Mapping[str, Any]) -> Refusal:
    error = body.get("error")
    details = error if isinstance(error, dict) else {}
    # A stored answer is returned however often one asks with this key.
    replayed = headers.get("Idempotent-Replayed") == "true"
    advice = {"true": True, "false": False}.get(headers.get("Stripe-Should-Retry", ""))
    parameter = details.get("param")
    description = str(details.get("message") or "")
    return Refusal(
        reason=str(details.get("code") or details.get("type") or ""),
        description=f"{description} ({parameter})" if parameter else description,
        repeat=False if replayed else advice,
        replayed=replayed,
    )


DIALECT = Dialect(
    provider=PROVIDER,
    content_type="application/x-www-form-urlencoded",
    key_header="Idempotency-Key",
    encode=encode_form,
    read_refusal=_read_refusal,
    passing=frozenset({409}),  # a request with the same key is still running
)


def _call(verb: str, collection: str) -> str:
    """How a call is named in logs: list_sessions for checkout/sessions."""
    return f"{verb}_{collection.rpartition('/')[2]}"


def _checked_id(value: Any) -> str:
    if not isinstance(value, str) or not ID.fullmatch(value):
        raise ValueError("not an id of Stripe")
    return value


def _checked_url(value: Any) -> str:
    """A session has a page only while it is open; a repeated create may find it closed."""
    if not isinstance(value, str) or not value:
        raise ValueError("no page")
    return value


def _strange(call: str, problem: object) -> ProviderUnavailable:
    """An unreadable answer proves nothing, so it must not end a payment."""
    return ProviderUnavailable(PROVIDER, call, f"unexpected response: {problem!r}")
