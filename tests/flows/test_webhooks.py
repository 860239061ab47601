"""Tag Webhooks: who is believed, what is stored, and what a network may do to events."""

from __future__ import annotations

import json
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any
from uuid import UUID, uuid4

import pytest
import requests
from sqlalchemy import Integer, column, func, select, text

from db import transaction
from services import ledger, payments
from tests.factories import balance
from tests.live import done, refused, unchanged
from tests.payment_events import (
    buyer_with_payment,
    newest_parked,
    notification,
    paid_update,
    session_event,
)
from tests.provider_world import (
    OLD_STRIPE_SECRET,
    OLD_TELEGRAM_SECRET,
    OPTIONS,
    PROVIDERS,
    TOKENS,
    ProviderWorld,
    signed,
)
from tests.threads import at_once
from tests.wire import wait_until

STRIPE_SECRET = OPTIONS.stripe_webhook_secrets[0]
TELEGRAM_SECRET = OPTIONS.telegram_webhook_secret
DAY = 24 * 3600
BURST, SENDERS, READERS = 500, 12, 2

each_provider = pytest.mark.parametrize("provider", PROVIDERS)


def tell_stripe(till: ProviderWorld, event: dict[str, Any], *secrets: str) -> requests.Response:
    body, signature = signed(event, *secrets)
    return till.webhook("stripe", body, Stripe_Signature=signature)


def sent_of(till: ProviderWorld, provider: str, reference: str) -> list[dict[str, Any]]:
    """What the sandbox has sent about a payment."""
    rows = till.sandbox.control("GET", f"/{provider}/events")
    return [row for row in rows if reference in row["body"]]


@pytest.mark.parametrize(
    ("secrets", "at", "code"),
    [
        (["whsec_of_somebody_else"], 0, "signature_invalid"),
        ([""], 0, "signature_invalid"),
        ([STRIPE_SECRET], -310, "signature_invalid"),
        ([STRIPE_SECRET], 310, "signature_invalid"),
        ([STRIPE_SECRET], -290, None),
        ([STRIPE_SECRET], 290, None),
        ([OLD_STRIPE_SECRET], 0, None),
        (["whsec_of_another_endpoint", OLD_STRIPE_SECRET, STRIPE_SECRET], 0, None),
    ],
)
def test_an_event_of_stripe_counts_when_signed_with_a_secret_of_ours_and_now(
    till: ProviderWorld, secrets: list[str], at: float, code: str | None
) -> None:
    user_id, payment = buyer_with_payment()
    body, signature = signed(session_event(payment), *secrets, at=time.time() + at)
    if code is None:
        done(till.webhook("stripe", body, Stripe_Signature=signature), 200)
        assert balance(user_id) == TOKENS
        return
    with unchanged():
        refused(till.webhook("stripe", body, Stripe_Signature=signature), code)


def test_the_address_of_a_webhook_may_end_with_a_slash(till: ProviderWorld) -> None:
    user_id, payment = buyer_with_payment()
    body, signature = signed(session_event(payment))
    done(till.webhook("stripe/", body, Stripe_Signature=signature), 200)
    assert balance(user_id) == TOKENS
    user_id, payment = buyer_with_payment("telegram")
    secret = {"X_Telegram_Bot_Api_Secret_Token": TELEGRAM_SECRET}
    done(till.webhook("telegram/", paid_update(payment), **secret), 200)
    assert balance(user_id) == TOKENS
    with unchanged():
        refused(till.webhook("stripe/", body), "signature_invalid")
        refused(till.webhook("stripe//", body), "not_found")


def test_a_signature_covers_each_byte_of_the_body_and_its_time(till: ProviderWorld) -> None:
    _, payment = buyer_with_payment()
    body, signature = signed(session_event(payment))
    stamp = int(signature.split(",")[0][2:])
    other_user = body.replace(str(payment.id).encode(), str(uuid4()).encode())
    forged = [
        (body + b" ", signature),
        (body.replace(b"20000", b"20001"), signature),
        (body.replace(b": ", b":", 1), signature),
        (other_user, signature),
        (body, signature.replace(str(stamp), str(stamp + 1))),
        (body, signature[:-1] + ("0" if signature[-1] != "0" else "1")),
        (body, signature.replace("v1=", "v0=")),
        (body, signature.partition(",")[2]),
        (body, ""),
        (body, "t=,v1="),
        (body, f"t={'9' * 40},v1=00"),
        (body, f"t={stamp}," + ",".join(["v1=00"] * 300)),
        (body, "nonsense"),
    ]
    with unchanged():
        for altered, claimed in forged:
            headers = {"Stripe_Signature": claimed} if claimed else {}
            refused(till.webhook("stripe", altered, **headers), "signature_invalid")
    done(till.webhook("stripe", body, Stripe_Signature=signature), 200)


def test_an_update_of_telegram_counts_with_a_secret_of_ours(till: ProviderWorld) -> None:
    user_id, payment = buyer_with_payment("telegram")
    update = paid_update(payment)
    with unchanged():
        refused(till.webhook("telegram", update), "signature_invalid")
        for wrong in ("", "wrong", TELEGRAM_SECRET[:-1], f"{TELEGRAM_SECRET}1"):
            answer = till.webhook("telegram", update, X_Telegram_Bot_Api_Secret_Token=wrong)
            assert answer.status_code == 401, wrong
        _, signature = signed(json.loads(update))
        refused(till.webhook("telegram", update, Stripe_Signature=signature), "signature_invalid")
    done(till.webhook("telegram", update, X_Telegram_Bot_Api_Secret_Token=OLD_TELEGRAM_SECRET), 200)
    assert balance(user_id) == TOKENS
    with unchanged():
        answer = till.webhook("telegram", update, X_Telegram_Bot_Api_Secret_Token=TELEGRAM_SECRET)
        done(answer, 200)


def test_a_stranger_cannot_make_us_ask_yookassa(till: ProviderWorld) -> None:
    asked = till.sandbox.calls()
    nobodys = f"{uuid4().hex[:8]}-000f-5000-8000-{uuid4().hex[:12]}"
    with unchanged():
        for body in (
            notification(nobodys),
            notification(nobodys, metadata={"payment_id": "8f0c"}),
            notification(nobodys, "payment.canceled", metadata=[]),
            notification(nobodys, "refund.succeeded", payment_id=nobodys),
            notification(nobodys, "payout.succeeded"),
        ):
            done(till.webhook("yookassa", body), 200)
    assert till.sandbox.calls() == asked


def test_a_notification_that_lies_changes_nothing(till: ProviderWorld) -> None:
    user, other = till.customer(), till.customer()
    intent, paid = till.intent(user, "yookassa"), till.buy(other, "yookassa")
    lies = [
        notification(intent["reference"], status="succeeded", paid=True),
        notification(intent["reference"], "payment.canceled", status="canceled"),
        # The payment of another customer, said to be ours.
        notification(paid["reference"], metadata={"payment_id": intent["id"]}),
    ]
    for lie in lies:
        done(till.webhook("yookassa", lie), 200)
    nobodys = f"{uuid4().hex[:8]}-000f-5000-8000-{uuid4().hex[:12]}"
    unknown = [
        # No payment or refund of the shop; looked up only because ours is named.
        notification(nobodys, metadata={"payment_id": intent["id"]}),
        notification(nobodys, "refund.succeeded", payment_id=paid["reference"]),
    ]
    for lie in unknown:
        refused(till.webhook("yookassa", lie), "signature_invalid")
    assert till.payment(intent).status == "pending"
    assert till.payment(paid).status == "succeeded"
    assert (till.bot.balance(user["id"]), till.bot.balance(other["id"])) == (0, TOKENS)
    till.pay(user, intent)
    till.wait_for(intent, "succeeded")
    assert till.bot.balance(user["id"]) == TOKENS


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount_total": 19999}, "amount_mismatch"),
        ({"currency": "usd"}, "currency_mismatch"),
        ({"id": "cs_test_another"}, "reference_mismatch"),
    ],
)
def test_what_does_not_fit_is_acknowledged_and_kept_for_a_person(
    till: ProviderWorld, changes: dict[str, Any], reason: str
) -> None:
    user_id, payment = buyer_with_payment()
    event = session_event(payment, **changes)
    for _ in range(2):
        done(tell_stripe(till, event), 200)
    assert newest_parked() == (reason, payment.id)
    assert balance(user_id) == 0
    done(tell_stripe(till, session_event(payment)), 200)
    assert balance(user_id) == TOKENS


def test_an_event_about_somebody_else_s_shop_is_acknowledged_and_kept(till: ProviderWorld) -> None:
    _, payment = buyer_with_payment()
    nobodys: dict[str, Any] = {"id": "cs_test_1", "client_reference_id": None, "metadata": {}}
    nobodys["payment_intent"] = "pi_nobodys"
    event = session_event(payment, **nobodys)
    done(tell_stripe(till, event), 200)
    assert newest_parked() == ("unknown_reference", None)


@each_provider
def test_events_of_no_interest_are_acknowledged_and_leave_nothing(
    till: ProviderWorld, provider: str
) -> None:
    headers, body = {}, b""
    if provider == "stripe":
        event = {"id": "evt_1", "type": "customer.created", "data": {"object": {"id": "cus_1"}}}
        body, signature = signed(event)
        headers = {"Stripe_Signature": signature}
    elif provider == "telegram":
        body = b'{"update_id": 1, "poll": {"id": "1"}}'
        headers = {"X_Telegram_Bot_Api_Secret_Token": TELEGRAM_SECRET}
    else:
        body = notification("x", "deal.closed")
    with unchanged():
        done(till.webhook(provider, body, **headers), 200)


GARBAGE = [
    b"",
    b"null",
    b"[]",
    b"7",
    b"{",
    b"{}",
    b'{"type": "notification"}',
    b'{"type": "notification", "event": "payment.succeeded"}',
    b'{"type": "notification", "event": "payment.succeeded", "object": []}',
    b'{"type": "notification", "event": "payment.succeeded", "object": {"id": "../payments"}}',
    b'{"type": "notification", "event": "payment.succeeded", "object": {"id": {"a": 1}}}',
    b'{"update_id": 1, "message": {"successful_payment": 1}}',
    b'{"update_id": NaN}',
    b'{"a": 1e999}',
    b'{"a": "\\u0000\\ud800"}',
    b"\xff\xfe\x00",
    b"[" * 10_000,
]


@each_provider
def test_garbage_is_refused(till: ProviderWorld, provider: str) -> None:
    asked = till.sandbox.calls()
    with unchanged():
        for body in GARBAGE:
            answer = till.webhook(provider, body)
            assert answer.status_code in (400, 401), (body[:80], answer.text)
            _, signature = signed(None, raw=body)
            answer = till.webhook(
                provider,
                body,
                Stripe_Signature=signature,
                X_Telegram_Bot_Api_Secret_Token=TELEGRAM_SECRET,
            )
            assert answer.status_code in (400, 401), (body[:80], answer.text)
        huge = b'{"a": "' + b"x" * 300_000 + b'"}'
        refused(till.webhook(provider, huge), "payload_too_large")
        refused(till.webhook(provider, b"a=1", Content_Type="text/plain"), "unsupported_media_type")
        form = "application/x-www-form-urlencoded"
        refused(till.webhook(provider, b"a=1", Content_Type=form), "unsupported_media_type")
        refused(till.webhook("paypal", b"{}"), "bad_request")
    assert till.sandbox.calls() == asked


def test_32_copies_at_once_count_once(till: ProviderWorld) -> None:
    user_id, payment = buyer_with_payment()
    event = session_event(payment)
    answers = at_once(lambda: tell_stripe(till, event), 32)
    statuses = {answer.status_code for answer in answers}
    # Those that waited longer than the server allows are told to retry.
    assert 200 in statuses and statuses <= {200, 503}
    done(tell_stripe(till, event), 200)
    assert balance(user_id) == TOKENS


@pytest.mark.parametrize("provider", ["yookassa", "stripe"])
def test_copies_sent_by_the_provider_count_once(till: ProviderWorld, provider: str) -> None:
    till.sandbox.control("PUT", f"/{provider}/webhook", copies=8)
    user = till.customer()
    intent = till.buy(user, provider)
    till.sandbox.control("PUT", f"/{provider}/webhook", copies=1)
    wait_until(lambda: all(row["delivered"] for row in sent_of(till, provider, intent["id"])))
    assert till.bot.balance(user["id"]) == TOKENS


def test_different_events_about_one_fact_count_once(till: ProviderWorld) -> None:
    user_id, payment = buyer_with_payment()
    events = [
        session_event(payment, kind)
        for kind in ("completed", "async_payment_succeeded", "completed", "expired")
    ]
    waiting = iter(events)
    answers = at_once(lambda: tell_stripe(till, next(waiting)), 4)
    assert {answer.status_code for answer in answers} == {200}
    assert balance(user_id) == TOKENS


def test_what_is_sent_again_after_a_day_changes_nothing(till: ProviderWorld) -> None:
    user = till.customer()
    intent = till.buy(user, "stripe")
    till.dashboard_refund(intent)
    till.wait_for(intent, "refunded")
    wait_until(lambda: all(row["delivered"] for row in sent_of(till, "stripe", intent["id"])))
    yesterday = session_event(till.payment(intent), made_at=time.time() - DAY)
    done(tell_stripe(till, yesterday), 200)
    with unchanged():
        done(tell_stripe(till, yesterday), 200)
        for row in sent_of(till, "stripe", intent["id"]):
            till.sandbox.control("POST", f"/stripe/events/{row['number']}/redeliver")
    assert till.payment(intent).status == "refunded"
    assert till.bot.balance(user["id"]) == 0


@pytest.mark.parametrize("provider", ["yookassa", "stripe"])
def test_events_in_the_opposite_order_end_the_same(till: ProviderWorld, provider: str) -> None:
    till.deliver_webhooks(False)
    user = till.customer()
    intent = till.intent(user, provider)
    till.pay(user, intent)
    till.dashboard_refund(intent, 5000)
    till.sandbox.control("PUT", f"/{provider}/webhook", newest_first=True, paused=False)
    wait_until(lambda: all(row["delivered"] for row in sent_of(till, provider, intent["id"])))
    till.sandbox.control("PUT", f"/{provider}/webhook", newest_first=False)
    till.wait_for(intent, "partly_refunded")
    assert till.bot.balance(user["id"]) == 15


def test_a_webhook_may_overtake_the_answer_to_our_call(till: ProviderWorld) -> None:
    user, key = till.customer(), uuid4().hex
    till.sandbox.inject_fault("yookassa", "hang", call="create_payment", seconds=60, after=True)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(till.request_intent, user, "yookassa", key=key)
        till.sandbox.wait_for_hanging("yookassa")
        reference = till.yookassa("payments", limit=1)[0]["id"]
        till.sandbox.control("POST", f"/yookassa/payments/{reference}/pay")
        wait_until(lambda: till.bot.balance(user["id"]) == TOKENS)
        assert not asking.done()
        till.sandbox.clear_faults("yookassa")
        intent = done(asking.result(), 201)
    assert (intent["reference"], intent["status"]) == (reference, "succeeded")
    assert done(till.request_intent(user, "yookassa", key=key), 201) == intent
    assert till.bot.balance(user["id"]) == TOKENS


def test_without_its_database_the_server_promises_nothing(till: ProviderWorld) -> None:
    user = till.customer()
    intents = {provider: till.intent(user, provider) for provider in PROVIDERS}
    till.deliver_webhooks(False)
    till.pay(user, intents["yookassa"])

    def tell(provider: str) -> requests.Response:
        payment = till.payment(intents[provider])
        if provider == "yookassa":
            return till.webhook(provider, notification(payment.reference or ""))
        if provider == "stripe":
            return tell_stripe(till, session_event(payment) | {"id": f"evt_{payment.id.hex}"})
        update = paid_update(payment, telegram_payment_charge_id=f"stx_{payment.id.hex}")
        return till.webhook(provider, update, X_Telegram_Bot_Api_Secret_Token=TELEGRAM_SECRET)

    with ThreadPoolExecutor(3) as pool, transaction() as session:
        ledger.lock(session, UUID(user["id"]))
        answers = list(pool.map(tell, PROVIDERS))
    for answer in answers:
        refused(answer, "service_unavailable")
        assert answer.headers["Retry-After"] == "1"
    for intent in intents.values():
        assert (till.payment(intent).status, till.events(intent)) == ("pending", [])
    for provider in PROVIDERS:
        done(tell(provider), 200)
    assert till.bot.balance(user["id"]) == 3 * TOKENS


def test_a_burst_of_events_counts_once_and_does_not_starve_reads(till: ProviderWorld) -> None:
    kinds = ("completed", "async_payment_succeeded", "completed", "expired")
    sold = [buyer_with_payment() for _ in range(BURST // 5)]
    posts: list[tuple[bytes, str]] = []
    for _, payment in sold:
        events = [signed(session_event(payment, kind)) for kind in kinds]
        posts += [*events, events[0]]
    # An event and its copy apart from each other.
    queue = iter([post for index in range(5) for post in posts[index::5]])
    lock, stop = threading.Lock(), threading.Event()
    statuses, overtook = list[int](), list[int]()  # of events; how many were answered in a read

    def read() -> None:
        while not stop.is_set():
            before = len(statuses)
            till.bot.balance(sold[0][0])
            overtook.append(len(statuses) - before)
            time.sleep(0.02)

    def send() -> None:
        with requests.Session() as session:
            session.trust_env = False
            while True:
                with lock:
                    body, signature = next(queue, (b"", ""))
                if not body:
                    return
                headers = {"Stripe-Signature": signature, "Content-Type": "application/json"}
                url = f"{till.bot.url}/webhooks/payments/stripe"
                answer = session.post(url, data=body, headers=headers, timeout=30)
                statuses.append(answer.status_code)

    with ThreadPoolExecutor(SENDERS + READERS) as pool:
        readers = [pool.submit(read) for _ in range(READERS)]
        senders = [pool.submit(send) for _ in range(SENDERS)]
        wait(senders)
        stop.set()
        for each in (*senders, *readers):
            each.result()
    assert len(statuses) == BURST and set(statuses) == {200}
    assert {balance(user_id) for user_id, _ in sold} == {TOKENS}
    # Behind the events they would wait for the end of the burst.
    p95 = statistics.quantiles(overtook, n=20)[-1]
    assert p95 < BURST / 4, f"{p95:.0f} of {BURST} events were answered before a read"


@pytest.mark.own_session
def test_connections_cut_in_the_middle_cost_repeats_and_no_tokens(till: ProviderWorld) -> None:
    """What was acknowledged is kept, and what was not is sent again, as by providers."""
    sold, troubles, stop = list[tuple[UUID, Any]](), list[int](), threading.Event()

    def tell(payment: Any) -> None:
        event = session_event(payment)
        while (answer := tell_stripe(till, event)).status_code != 200:
            refused(answer, "service_unavailable")
            troubles.append(answer.status_code)
        with transaction() as session:
            assert payments.get(session, payment.id).status == "succeeded"

    def cut() -> None:
        while not stop.is_set():
            ports = [
                connection.laddr.port
                for process in till.server.workers()
                for connection in process.net_connections("tcp")
            ]
            with transaction() as session:
                ended = select(func.pg_terminate_backend(column("pid", Integer))).select_from(
                    text("pg_stat_activity")
                )
                mine = column("client_port", Integer).in_(ports)
                session.execute(ended.where(mine))
            time.sleep(0.05)

    with ThreadPoolExecutor(SENDERS) as pool:
        cutting, deadline = pool.submit(cut), time.monotonic() + 90
        while len(troubles) < 5:
            assert time.monotonic() < deadline, "no connection was in use when it was cut"
            sold += (batch := [buyer_with_payment() for _ in range(20)])
            list(pool.map(tell, [payment for _, payment in batch]))
        stop.set()
        cutting.result()
        # Dead connections are found here, not by the next test.
        list(pool.map(tell, [payment for _, payment in sold[-20:]]))
    assert {balance(user_id) for user_id, _ in sold} == {TOKENS}
