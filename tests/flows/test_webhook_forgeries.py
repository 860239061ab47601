"""Webhooks by somebody who is no provider: every trick is refused or ignored without effect."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

import settings
from providers.payments.yookassa import HINTS_PER_MINUTE
from tests import live
from tests.live import Bot, done, refused, unchanged
from tests.payment_events import (
    buyer_with_payment,
    newest_parked,
    notification,
    paid_update,
    session_event,
)
from tests.provider_world import OPTIONS, ProviderWorld, environ, signed

STRIPE, TELEGRAM = "Stripe-Signature", "X-Telegram-Bot-Api-Secret-Token"
HEADERS = {"stripe": STRIPE, "telegram": TELEGRAM}
Headers = list[tuple[str, bytes]]


def post(till: ProviderWorld, provider: str, body: bytes, headers: Headers) -> tuple[int, bytes]:
    """Post with exactly these headers, including repeated ones."""
    connection = http.client.HTTPConnection("127.0.0.1", till.server.port, timeout=30)
    try:
        connection.putrequest("POST", f"/api/v1/webhooks/payments/{provider}")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def genuine(provider: str) -> tuple[bytes, bytes]:
    """An event that would credit a payment, and the proof that would be believed."""
    _, payment = buyer_with_payment(provider)
    if provider == "telegram":
        return paid_update(payment), OPTIONS.telegram_webhook_secret.encode()
    body, signature = signed(session_event(payment))
    return body, signature.encode()


# Ways to tamper with a proof; the same for both providers that sign.
TAMPERED: dict[str, Callable[[bytes], list[bytes]]] = {
    "missing": lambda proof: [],
    "empty": lambda proof: [b""],
    "blank": lambda proof: [b"   "],
    "null": lambda proof: [b"null"],
    "a comma": lambda proof: [b","],
    "cut short": lambda proof: [proof[:-1]],
    "too long": lambda proof: [proof + b"1"],
    "backwards": lambda proof: [proof[::-1]],
    "in the other case": lambda proof: [proof.swapcase()],
    "in quotes": lambda proof: [b'"' + proof + b'"'],
    "as a bearer": lambda proof: [b"Bearer " + proof],
    "after another": lambda proof: [b"t=1,v1=00", proof],
    "wrong twice": lambda proof: [b"wrong", b"wrong"],
    "latin-1": lambda proof: [proof[:-1] + b"\xff"],
    "unicode": lambda proof: ["подпись 🖋".encode()],
    "full-width": lambda proof: [proof.decode().replace("1", "１").encode() + "１".encode()],
    "large": lambda proof: [b"t=1," + b"v1=00," * 1000],
    "huge": lambda proof: [b"a" * 60_000],
}
# For Stripe's header only: its time and schemes.
MISSIGNED = [
    "t={now}",
    "v1={mark}",
    "t=,v1={mark}",
    "t=now,v1={mark}",
    "t=1e9,v1={mark}",
    "t=-{now},v1={mark}",
    "t={now}.0,v1={mark}",
    "t=0x{now},v1={mark}",
    "t=1,t={now},v1={mark}",
    "t=99999999999999999999,v1={mark}",
    "t={now},v0={mark}",
    "t={now},v2={mark}",
    "t={now},v1=",
    "t={now},v1=sha256={mark}",
    "t={now};v1={mark}",
    "T={now},V1={mark}",
    "t={now}, v1={mark}",
    "t={now},v1=" + ",v1=".join(["00"] * 20) + ",v1={mark}",
]


def require_refused(till: ProviderWorld, provider: str, body: bytes, headers: Headers) -> None:
    status, text = post(till, provider, body, headers)
    assert 400 <= status < 500, (status, text)
    if text.startswith(b"{"):
        assert json.loads(text)["code"] in ("signature_invalid", "bad_request")


@pytest.mark.parametrize("provider", HEADERS)
@pytest.mark.parametrize("trick", TAMPERED)
def test_a_proof_that_was_played_with_proves_nothing(
    till: ProviderWorld, provider: str, trick: str
) -> None:
    body, proof = genuine(provider)
    with unchanged():
        headers = [(HEADERS[provider], each) for each in TAMPERED[trick](proof)]
        require_refused(till, provider, body, headers)


@pytest.mark.parametrize("provider", HEADERS)
def test_the_proof_of_one_provider_is_nothing_to_another(
    till: ProviderWorld, provider: str
) -> None:
    body, proof = genuine(provider)
    other = next(each for each in HEADERS if each != provider)
    _, foreign = genuine(other)
    names = ["Authorization", "X-Api-Key", "Signature", "X-Hub-Signature-256", "Cookie"]
    with unchanged():
        require_refused(till, provider, body, [(HEADERS[other], proof)])
        require_refused(till, provider, body, [(HEADERS[provider], foreign)])
        require_refused(till, other, body, [(HEADERS[provider], proof)])
        for name in names:
            require_refused(till, provider, body, [(name, proof)])


@pytest.mark.parametrize("shape", MISSIGNED)
def test_a_right_mark_in_a_wrong_header_is_refused(till: ProviderWorld, shape: str) -> None:
    _, payment = buyer_with_payment()
    body, signature = signed(session_event(payment))
    stamp, _, mark = signature.removeprefix("t=").partition(",v1=")
    header = shape.format(now=stamp, mark=mark)
    with unchanged():
        require_refused(till, "stripe", body, [(STRIPE, header.encode())])


@pytest.mark.parametrize("seconds", [-(10**9), -86_400, -301, 302, 86_400])
def test_an_event_of_another_time_is_refused(till: ProviderWorld, seconds: int) -> None:
    _, payment = buyer_with_payment()
    body, signature = signed(session_event(payment), at=time.time() + seconds)
    with unchanged():
        require_refused(till, "stripe", body, [(STRIPE, signature.encode())])


def test_a_signature_covers_bytes_and_not_what_they_mean(till: ProviderWorld) -> None:
    body, proof = genuine("stripe")
    event = json.loads(body)
    same_meaning = [
        json.dumps(event, separators=(",", ":")).encode(),
        json.dumps(event, sort_keys=True).encode(),
        json.dumps(event, indent=2).encode(),
        body + b"\n",
        b"\xef\xbb\xbf" + body,
        body.replace(b"checkout", b"\\u0063heckout"),
        body.replace(b'"object"', b'"object": "x", "object"', 1),
    ]
    another, _ = genuine("stripe")
    with unchanged():
        for other in (*same_meaning, another):
            require_refused(till, "stripe", other, [(STRIPE, proof)])


@pytest.mark.parametrize(
    "claim",
    [
        {},
        {"status": "succeeded", "paid": True, "amount": {"value": "99999.00", "currency": "RUB"}},
        {"status": "succeeded", "amount": {"value": "-1", "currency": "XXX"}},
        {"status": "canceled", "cancellation_details": {"party": "merchant", "reason": "x"}},
        {"refunded_amount": {"value": "200.00", "currency": "RUB"}, "payment_id": "x"},
        {"metadata": {"payment_id": "not a uuid"}},
        {"metadata": "x" * 10_000},
        {"metadata": {"payment_id": ["a"]}},
        {"amount": None, "status": None, "test": "yes"},
    ],
)
def test_what_a_stranger_claims_about_a_payment_of_yookassa_is_not_believed(
    till: ProviderWorld, claim: dict[str, Any]
) -> None:
    user = till.customer()
    intent = till.intent(user, "yookassa")
    events = till.events(intent)
    for kind in ("payment.succeeded", "payment.canceled", "payment.waiting_for_capture"):
        answer = till.webhook("yookassa", notification(intent["reference"], kind, **claim))
        assert answer.status_code in (200, 400), answer.text
    assert till.payment(intent).status == "pending"
    assert till.bot.balance(user["id"]) == 0
    # Read back from YooKassa: it says that nothing has been paid.
    assert {kind for kind, _ in till.events(intent)} - {kind for kind, _ in events} <= {
        "payment.pending"
    }


def test_a_payment_of_another_amount_that_names_ours_buys_nothing(till: ProviderWorld) -> None:
    """The shop's key has leaked, or another site of its owner uses the same metadata."""
    user = till.customer()
    intent = till.intent(user, "yookassa")
    login = (OPTIONS.yookassa_shop_id, OPTIONS.yookassa_secret_key)
    cheap = {
        "amount": {"value": "1.00", "currency": "RUB"},
        "capture": True,
        "confirmation": {"type": "redirect", "return_url": "https://t.me/a"},
        "description": "-",
        "metadata": {"payment_id": intent["id"]},
    }
    foreign = done(
        requests.post(
            f"{till.sandbox.yookassa}/payments",
            json=cheap,
            auth=login,
            headers={"Idempotence-Key": uuid4().hex},
            timeout=30,
        ),
        200,
    )
    till.deliver_webhooks(False)
    till.sandbox.control("POST", f"/yookassa/payments/{foreign['id']}/pay")
    body = notification(foreign["id"], metadata={"payment_id": intent["id"]})
    done(till.webhook("yookassa", body), 200)
    assert newest_parked()[0] == "amount_mismatch"
    assert till.payment(intent).status == "pending"
    assert till.bot.balance(user["id"]) == 0


def test_behind_a_proxy_only_networks_of_yookassa_are_let_in_with_or_without_a_port(
    database: str, tmp_path: Path, till: ProviderWorld
) -> None:
    checking = {"YOOKASSA_CHECK_NETWORK": "true", "TRUSTED_PROXIES": "127.0.0.1,10.0.0.0/8"}
    body = notification(till.intent(till.customer(), "yookassa")["reference"])
    state_dir = settings.load().state_dir
    with live.serve(tmp_path, state_dir=state_dir, **environ(till.sandbox) | checking) as server:
        behind = ProviderWorld(server, Bot(server.url), till.sandbox, checking, tmp_path)
        for hop in ("185.71.76.5", "185.71.76.5:51234", "[2a02:5180::5]:443", "2a02:5180::5"):
            for path in (hop, f"203.0.113.7, {hop}, 10.1.2.3:80"):
                done(behind.webhook("yookassa", body, X_Forwarded_For=path), 200)
        for hop in ("203.0.113.7:443", "[2001:db8::1]:443", "185.71.76.5, 203.0.113.7", ""):
            answer = behind.webhook("yookassa", body, X_Forwarded_For=hop)
            refused(answer, "signature_invalid")


def test_a_stranger_cannot_use_up_what_the_shop_may_ask(till: ProviderWorld) -> None:
    """Payers know the id of their payment, and can send us lies about it all day."""
    user, other = till.customer(), till.customer()
    intent, honest = till.intent(user, "yookassa"), till.intent(other, "yookassa")
    before = till.sandbox.calls("GET /yookassa/v3/payments/")
    answers = []
    for number in range(2 * HINTS_PER_MINUTE):
        # By the id of the payment, or by ours and an id that changes.
        identifier = intent["reference"] if number % 2 else f"{number:08x}-000f-5000-8000-{0:012x}"
        lie = notification(identifier, metadata={"payment_id": intent["id"]})
        answers.append(till.webhook("yookassa", lie))
    assert till.sandbox.calls("GET /yookassa/v3/payments/") - before <= HINTS_PER_MINUTE
    refused(answers[-1], "rate_limited")
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    till.pay(other, honest)
    till.wait_for(honest, "succeeded")
    assert till.payment(intent).status == "pending"
