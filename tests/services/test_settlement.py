"""Money arriving, in every order and repetition that networks and providers are capable of."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any
from uuid import uuid4

import pytest

from db import snapshot, transaction
from db.models import Referral
from db.types import now
from errors import ApiError
from providers.payments import Metadata
from services import inbox, jobs, ledger, payments
from services.inbox import Verdict
from tests.factories import balance, make_image, make_job, make_user
from tests.locks import wait_for_a_waiter
from tests.settlements import AMOUNT_RUB, books_are_whole, notice, open_payment_of, settle
from tests.threads import at_once


def current(payment):
    with transaction() as session:
        return payments.get(session, payment.id)


def entries(user):
    with transaction() as session:
        page = ledger.history(session, user.id, limit=50, cursor=None)
    return [(row.type, row.status, row.tokens_delta) for row in page.rows]


def test_a_paid_payment_brings_its_tokens_and_starts_the_job_that_waited():
    user = make_user()
    job = make_job(user.id, "animate")
    payment = open_payment_of(user)
    assert settle(notice(payment, "succeeded")).state == "applied"
    with transaction() as session:
        assert jobs.get(session, job.id).status == "queued"
    assert balance(user.id) == 10
    assert entries(user) == [
        ("charge", "success", -10),
        ("purchase", "success", 20),
        ("gateway_payment", "success", 0),
    ]


def test_an_order_that_comes_to_wait_while_its_payment_waits_for_the_customer_is_started():
    user, picture = make_user(), make_image()
    payment = open_payment_of(user)
    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            job = jobs.create(
                session,
                user.id,
                service_type="animate",
                input=[{"type": "image", "dataId": str(picture.id)}],
            )
            settling = pool.submit(settle, notice(payment, "succeeded"))
            wait_for_a_waiter()
        assert settling.result().state == "applied"
    with transaction() as session:
        assert jobs.get(session, job.id).status == "queued"
    assert balance(user.id) == 10


def test_32_copies_of_one_webhook_at_once_credit_once():
    user = make_user()
    payment = open_payment_of(user)
    event = notice(payment, "succeeded")
    verdicts = at_once(lambda: settle(event), 32)
    states = [v.state if not isinstance(v, ApiError) else v.code for v in verdicts]
    # Those that had to wait longer than the lock timeout are told to come again.
    assert set(states) <= {"applied", "service_unavailable"}
    assert settle(event).state == "applied"
    assert balance(user.id) == 20
    assert books_are_whole()


def test_two_events_about_one_fact_credit_once():
    user = make_user()
    payment = open_payment_of(user)
    settle(notice(payment, "succeeded"))
    again = settle(notice(payment, "succeeded"))
    assert (again.state, balance(user.id)) == ("ignored", 20)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount_minor": 100}, "amount_mismatch"),
        ({"amount_minor": None}, "amount_mismatch"),
        ({"currency": "USD"}, "currency_mismatch"),
        ({"reference": "another"}, "reference_mismatch"),
        ({"payment_id": None, "reference": "nobody's"}, "unknown_reference"),
    ],
)
def test_an_event_that_does_not_fit_is_parked_and_the_real_one_still_counts(changes, reason):
    user = make_user()
    payment = open_payment_of(user)
    verdict = settle(notice(payment, "succeeded", **changes))
    assert (verdict.state, verdict.reason) == ("parked", reason)
    assert balance(user.id) == 0
    settle(notice(payment, "succeeded"))
    assert balance(user.id) == 20


def test_success_before_the_answer_to_the_create_call_credits():
    user = make_user()
    with transaction() as session:
        payment = payments.open(
            session, user.id, amount_rub=AMOUNT_RUB, provider="stripe", plan=None, now=now()
        )
    settle(notice(payment, "succeeded", reference="cs_1"))
    assert balance(user.id) == 20
    with transaction() as session:
        attached = payments.attach(
            session,
            payment.id,
            reference="cs_1",
            url="https://pay.example/1",
            asked_minor=payment.asked_minor,
            asked_currency="RUB",
            expires_at=None,
        )
    assert (attached.status, attached.reference) == ("succeeded", "cs_1")


def test_stars_for_a_page_that_a_restore_has_forgotten_credit_as_its_metadata_asks():
    user = make_user()
    with transaction() as session:
        payment = payments.open(
            session, user.id, amount_rub=AMOUNT_RUB, provider="telegram", plan=None, now=now()
        )
    page = Metadata(
        payment_id=payment.id,
        user_id=user.id,
        telegram_id=user.telegram_id,
        amount_rub=AMOUNT_RUB,
        tokens=payment.tokens,
        asked_minor=167,
        asked_currency="XTR",
        tariff_id=None,
        plan=None,
        service=None,
    )
    paid = {"reference": None, "charge_reference": uuid4().hex, "currency": "XTR"}
    for other in (page._replace(tokens=Decimal(500)), page._replace(amount_rub=Decimal(1)), None):
        event = notice(payment, "succeeded", **paid, amount_minor=167, metadata=other)
        assert settle(event).reason == "currency_mismatch"
    fewer = notice(payment, "succeeded", **paid, amount_minor=1, metadata=page)
    assert settle(fewer).reason == "amount_mismatch"
    assert settle(notice(payment, "succeeded", **paid, amount_minor=167, metadata=page)).state == (
        "applied"
    )
    assert balance(user.id) == 20
    credited = current(payment)
    assert (credited.asked_minor, credited.asked_currency) == (167, "XTR")
    returned = notice(payment, "refunded", **paid, amount_minor=167)
    assert (settle(returned).state, balance(user.id)) == ("applied", 0)


@pytest.mark.parametrize("end", ["canceled", "expired"])
def test_success_after_the_payment_was_given_up_still_credits(end):
    user = make_user()
    payment = open_payment_of(user)
    settle(notice(payment, end))
    assert entries(user) == [("gateway_payment", "failed", 0)]
    settle(notice(payment, "succeeded"))
    assert balance(user.id) == 20
    assert [row[:2] for row in entries(user)] == [
        ("purchase", "success"),
        ("gateway_payment", "success"),
        ("gateway_payment", "failed"),
    ]
    assert books_are_whole()


def test_news_in_any_order_end_in_the_same_state():
    ends = set()
    for order in permutations(["succeeded", "canceled", "refunded"]):
        user = make_user()
        payment = open_payment_of(user)
        for outcome in order:
            settle(
                notice(
                    payment,
                    outcome,
                    refunded_minor=payment.asked_minor if outcome == "refunded" else None,
                )
            )
        ends.add((current(payment).status, balance(user.id)))
    assert ends == {("refunded", Decimal(0))}
    assert books_are_whole()


def test_partial_refunds_take_tokens_pro_rata_and_never_twice():
    user = make_user()
    payment = open_payment_of(user)
    settle(notice(payment, "succeeded"))
    settle(notice(payment, "refunded", refunded_minor=5000, refund_reference="r1"))
    assert (balance(user.id), current(payment).status) == (15, "partly_refunded")
    settle(notice(payment, "refunded", refunded_minor=5000, refund_reference="r1"))
    assert balance(user.id) == 15
    settle(notice(payment, "refunded", refunded_minor=20000, refund_reference="r2"))
    assert (balance(user.id), current(payment).status) == (0, "refunded")
    assert books_are_whole()


def test_a_refund_of_spent_tokens_takes_what_is_left_and_records_the_rest():
    user = make_user()
    make_job(user.id, "animate")
    payment = open_payment_of(user)
    settle(notice(payment, "succeeded"))  # 20 come, 10 are reserved at once
    settle(notice(payment, "refunded", refunded_minor=20000))
    assert balance(user.id) == 0
    refunded = current(payment)
    assert (refunded.refunded_tokens, refunded.shortfall_tokens) == (10, 10)
    assert books_are_whole()


def test_a_dispute_takes_the_tokens_and_winning_it_gives_them_back():
    user = make_user()
    payment = open_payment_of(user, provider="stripe")
    settle(notice(payment, "succeeded"))
    settle(notice(payment, "disputed", refund_reference="dp_1"))
    assert (balance(user.id), current(payment).status) == (0, "disputed")
    settle(notice(payment, "dispute_won"))
    assert (balance(user.id), current(payment).status) == (20, "succeeded")
    settle(notice(payment, "disputed", refund_reference="dp_2"))
    settle(notice(payment, "dispute_lost"))
    assert (balance(user.id), current(payment).status) == (0, "refunded")
    assert books_are_whole()


@pytest.mark.parametrize("before", [[], ["canceled"], ["succeeded"]])
def test_a_lost_dispute_that_nobody_told_of_takes_the_tokens_all_the_same(before):
    user = make_user()
    payment = open_payment_of(user, provider="stripe")
    for outcome in before:
        settle(notice(payment, outcome))
    lost = notice(payment, "dispute_lost", refund_reference="dp_1")
    assert settle(lost).state == "applied"
    assert (balance(user.id), current(payment).status) == (0, "refunded")
    assert settle(notice(payment, "succeeded")).state == "ignored"
    assert current(payment).refunded_tokens == 20
    assert books_are_whole()


def test_a_refund_told_during_a_dispute_waits_for_its_end():
    user = make_user()
    payment = open_payment_of(user, provider="stripe")
    settle(notice(payment, "succeeded"))
    settle(notice(payment, "disputed", refund_reference="dp_1"))
    half = notice(payment, "refunded", refunded_minor=10000, refund_reference="re_1")
    assert (settle(half).state, settle(half).reason) == ("parked", "disputed")
    settle(notice(payment, "dispute_won", refund_reference="dp_1"))
    assert balance(user.id) == 20
    assert settle(half).state == "applied"
    assert (balance(user.id), current(payment).status) == (10, "partly_refunded")
    assert books_are_whole()


def test_a_refund_that_failed_afterwards_gives_the_tokens_back_and_tells_the_operator():
    user = make_user()
    payment = open_payment_of(user, provider="stripe")
    settle(notice(payment, "succeeded"))
    assert settle(notice(payment, "refund_failed", refunded_minor=0)).state == "ignored"
    settle(notice(payment, "refunded", refunded_minor=20000))
    assert settle(notice(payment, "refund_failed", refunded_minor=0)).state == "applied"
    assert (balance(user.id), current(payment).status) == (20, "succeeded")
    assert "refund failed" in current(payment).last_error
    assert books_are_whole()


def test_of_several_refunds_the_one_that_failed_is_given_back():
    user = make_user()
    payment = open_payment_of(user, provider="stripe")
    settle(notice(payment, "succeeded"))
    settle(notice(payment, "refunded", refunded_minor=5000, refund_reference="re_1"))
    settle(notice(payment, "refunded", refunded_minor=8000, refund_reference="re_2"))
    settle(notice(payment, "refund_failed", refunded_minor=3000, refund_reference="re_1"))
    assert (balance(user.id), current(payment).refunded_rub) == (17, 30)
    assert current(payment).status == "partly_refunded"
    assert books_are_whole()


def test_a_failed_refund_gives_no_tokens_that_it_could_not_take():
    user = make_user()
    make_job(user.id, "animate")
    payment = open_payment_of(user)
    settle(notice(payment, "succeeded"))  # 20 come, 10 are reserved at once
    settle(notice(payment, "refunded", refunded_minor=20000, refund_reference="re_1"))
    settle(notice(payment, "refund_failed", refunded_minor=10000, refund_reference="re_1"))
    assert (balance(user.id), current(payment).shortfall_tokens) == (0, 0)
    settle(notice(payment, "refund_failed", refunded_minor=0, refund_reference="re_2"))
    assert (balance(user.id), current(payment).refunded_tokens) == (10, 0)
    assert books_are_whole()


def test_money_that_is_returned_again_after_a_failure_takes_the_tokens_again():
    user = make_user()
    payment = open_payment_of(user, provider="stripe")
    settle(notice(payment, "succeeded"))
    half = notice(payment, "refunded", refunded_minor=10000, refund_reference="re_1")
    for _ in range(2):
        settle(half)
        settle(notice(payment, "refund_failed", refunded_minor=0, refund_reference="re_1"))
        assert balance(user.id) == 20
    assert settle(replace(half, refund_reference="re_2")).state == "applied"
    assert settle(replace(half, refund_reference="re_2")).state == "applied"
    assert balance(user.id) == 10
    assert books_are_whole()


def test_a_refund_that_fails_leaves_what_a_lost_dispute_took():
    user = make_user()
    payment = open_payment_of(user, provider="stripe")
    settle(notice(payment, "succeeded"))
    settle(notice(payment, "refunded", refunded_minor=5000, refund_reference="re_1"))
    settle(notice(payment, "disputed", refund_reference="dp_1"))
    failed = notice(payment, "refund_failed", refunded_minor=0, refund_reference="re_1")
    assert (settle(failed).state, settle(failed).reason) == ("parked", "disputed")
    settle(notice(payment, "dispute_lost", refund_reference="dp_1"))
    assert settle(failed).state == "applied"
    assert (balance(user.id), current(payment).refunded_rub) == (5, 150)
    assert books_are_whole()


@pytest.mark.parametrize(
    ("rub", "kopecks"), [(199, 100), (199, 10900), (499, 700), (1490, 1500), (149, 1500)]
)
def test_a_part_that_is_returned_is_returned_to_the_kopeck(rub, kopecks):
    user = make_user()
    payment = open_payment_of(user, amount=rub)
    settle(notice(payment, "succeeded"))
    settle(notice(payment, "refunded", refunded_minor=kopecks))
    assert current(payment).refunded_rub == Decimal(kopecks) / 100
    # 10 rubles a token, fractions of a hundredth to the customer.
    assert current(payment).refunded_tokens == Decimal(kopecks // 10) / 100


def test_a_refund_is_told_again_with_the_total_of_a_later_one():
    user = make_user()
    payment = open_payment_of(user, provider="stripe")
    settle(notice(payment, "succeeded"))
    for total, event_id in ((5000, "ch:5000"), (8000, "ch:8000")):
        event = notice(payment, "refunded", refunded_minor=total, refund_reference="re_1")
        assert settle(replace(event, event_id=event_id)).state == "applied"
    assert balance(user.id) == 12
    assert books_are_whole()


@pytest.mark.parametrize("ends", [["won", "lost"], ["lost"], ["won", "disputed", "lost"]])
def test_a_dispute_may_end_more_than_once(ends):
    user = make_user()
    payment = open_payment_of(user, provider="stripe")
    settle(notice(payment, "succeeded"))
    settle(notice(payment, "disputed", refund_reference="dp_1"))
    for end in ends:
        outcome = end if end == "disputed" else f"dispute_{end}"
        event = notice(payment, outcome, refund_reference="dp_1", event_id=uuid4().hex)
        assert settle(event).state == "applied"
    assert (balance(user.id), current(payment).status) == (0, "refunded")
    appealed = notice(payment, "dispute_won", refund_reference="dp_1", event_id=uuid4().hex)
    assert settle(appealed).state == "applied"
    assert (balance(user.id), current(payment).status) == (20, "succeeded")
    assert books_are_whole()


def test_a_won_dispute_that_took_nothing_gives_nothing():
    user = make_user()
    payment = open_payment_of(user, provider="stripe")
    settle(notice(payment, "succeeded"))
    settle(notice(payment, "refunded", refunded_minor=20000))
    assert settle(notice(payment, "dispute_won", refund_reference="dp_1")).state == "applied"
    assert (balance(user.id), current(payment).status) == (0, "refunded")
    assert books_are_whole()


def test_a_refund_of_another_amount_than_was_asked_is_parked():
    user = make_user()
    payment = open_payment_of(user)
    event = notice(payment, "refunded", amount_minor=100, refunded_minor=100)
    assert (settle(event).state, settle(event).reason) == ("parked", "amount_mismatch")
    assert entries(user) == [("gateway_payment", "pending", 0)]


def test_a_refund_of_a_second_charge_that_is_told_first_waits_for_its_payment():
    user = make_user()
    first = open_payment_of(user, provider="telegram")
    settle(notice(first, "succeeded", charge_reference="early-1"))
    returned = notice(first, "refunded", charge_reference="early-2", event_id=uuid4().hex)
    verdict = settle(returned)
    assert (verdict.state, verdict.reason) == ("parked", "charge_mismatch")
    assert current(first).status == "succeeded"
    second = settle(notice(first, "succeeded", charge_reference="early-2"))
    assert settle(returned) == Verdict("applied", None, second.payment_id)
    assert current(first).status == "succeeded"
    assert balance(user.id) == 20
    assert books_are_whole()


def test_a_second_charge_of_a_telegram_link_is_a_payment_of_its_own():
    user = make_user()
    payment = open_payment_of(user, provider="telegram")
    settle(notice(payment, "succeeded", charge_reference="stx-1"))
    second = notice(payment, "succeeded", charge_reference="stx-2")
    verdict = settle(second)
    assert verdict.state == "applied" and verdict.payment_id != payment.id
    assert settle(replace(second, event_id="repeated")).state == "ignored"
    assert balance(user.id) == 40
    assert books_are_whole()


def test_a_link_paid_by_another_person_credits_its_user_and_remembers_the_payer():
    user, friend = make_user(), make_user()
    payment = open_payment_of(user, provider="telegram")
    paid = notice(payment, "succeeded", charge_reference="gift-1", payer_id=friend.telegram_id)
    flagged = Verdict("applied", "another_payer", payment.id)
    assert settle(paid) == flagged
    assert settle(paid) == flagged and flagged.is_for_the_operator
    assert (balance(user.id), balance(friend.id)) == (20, 0)
    assert current(payment).payer_telegram_id == friend.telegram_id
    with snapshot() as session:
        newest = inbox.listed(session, flagged=True, limit=1).rows[0]
        assert (newest.payment_id, newest.reason) == (payment.id, "another_payer")

    again = notice(payment, "succeeded", charge_reference="gift-2", payer_id=friend.telegram_id)
    second = settle(again)
    assert (second.state, second.reason) == ("applied", "another_payer")
    own = notice(payment, "succeeded", charge_reference="own-3", payer_id=user.telegram_id)
    third = settle(own)
    assert (third.state, third.reason) == ("applied", None)
    assert balance(user.id) == 60
    assert books_are_whole()


def test_the_inviter_is_rewarded_once_and_full_refunds_take_it_back():
    inviter = make_user()
    invitee = make_user(ref_code=inviter.ref_code)
    first, second = open_payment_of(invitee), open_payment_of(invitee)
    events = [notice(first, "succeeded"), notice(second, "succeeded")]
    at_once(lambda: settle(events.pop()), 2)
    assert balance(inviter.id) == 5
    with transaction() as session:
        referral = session.query(Referral).filter_by(invitee_id=invitee.id).one()
    rewarded, other = (first, second) if referral.payment_id == first.id else (second, first)
    assert referral.invitee_paid and referral.reward_given
    settle(notice(rewarded, "refunded", refunded_minor=20000))
    assert balance(inviter.id) == 5  # the other payment stands
    settle(notice(other, "refunded", refunded_minor=20000))
    assert balance(inviter.id) == 0
    settle(notice(other, "refunded", refunded_minor=20000))
    assert balance(inviter.id) == 0
    assert books_are_whole()


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"amount_rub": Decimal(1)}, "amount_out_of_range"),
        ({"amount_rub": Decimal(9999999)}, "amount_out_of_range"),
        ({"amount_rub": Decimal(1), "plan": "start"}, "amount_mismatch"),
        ({"amount_rub": Decimal(199), "plan": "nope"}, "tariff_not_found"),
    ],
)
def test_a_wrong_amount_or_plan_opens_nothing(request_, code):
    user = make_user()
    with pytest.raises(ApiError, match=code), transaction() as session:
        payments.open(
            session, user.id, **{"provider": "stripe", "plan": None, "now": now()} | request_
        )
    assert entries(user) == []


def test_a_tariff_sells_its_tokens_at_its_price():
    user = make_user()
    payment = open_payment_of(user, amount=199, plan="start")
    assert (payment.tokens, payment.plan) == (20, "start")


def test_a_pre_checkout_is_refused_unless_everything_fits():
    user = make_user()
    payment = open_payment_of(user, provider="telegram")

    def why(**changes):
        asked: dict[str, Any] = {
            "amount_minor": payment.asked_minor,
            "currency": "RUB",
            "payer_id": user.telegram_id,
        }
        with transaction() as session:
            return payments.why_not_payable(session, payment.id, **asked | changes)

    assert why() is None
    assert why(amount_minor=1) and why(currency="XTR") and why(payer_id="1")
    with transaction() as session:
        assert payments.why_not_payable(session, None, amount_minor=1, currency="RUB", payer_id="1")
    settle(notice(payment, "succeeded", charge_reference=uuid4().hex))
    assert why()


def test_due_payments_are_asked_about_by_one_worker_and_ever_less_often(no_rows):
    payment = open_payment_of(make_user())
    later = now() + timedelta(minutes=4)

    def claim(moment, without=()):
        with transaction() as session:
            return payments.claim_due(session, now=moment, without=without)

    assert claim(later, without=["yookassa"]) is None
    taken = at_once(lambda: claim(later), 4)
    assert sorted(taken, key=str) == [(payment.id, "yookassa"), None, None, None]
    waits = []
    for _ in range(7):
        last, later = later, current(payment).next_check_at
        waits.append((later - last) // timedelta(minutes=1))
        claim(later)
    assert waits == [2, 5, 10, 20, 40, 60, 60]
    # At its end it is asked once more; if that finds nobody, not every two minutes for ever.
    end = payment.expires_at - timedelta(minutes=10)
    claim(end)
    assert current(payment).next_check_at == payment.expires_at
    claim(payment.expires_at)
    assert current(payment).next_check_at == payment.expires_at + timedelta(hours=1)
