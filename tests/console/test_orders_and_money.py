"""Orders, payments and what providers reported: found by filters, seen whole, and acted on once."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from db import reading, transaction
from services import grants, inbox, jobs, payments
from tests.console.browsing import World, acting, entries
from tests.console.tills import connected, paid
from tests.factories import balance, make_job, make_user
from tests.payment_events import buyer_with_payment
from tests.provider_world import CountingSandbox
from tests.settlements import notice, settle
from workflows import erasure

pytestmark = pytest.mark.usefixtures("no_rows")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[CountingSandbox]:
    """Providers, simulated."""
    with connected() as simulated:
        yield simulated


def row(payment):
    with reading() as reader:
        return payments.get(reader, payment.id)


def test_orders_are_narrowed_by_filters_in_the_address(console: World) -> None:
    viewer = console.operator("viewer")
    done, failed = make_job(make_user(10).id), make_job(make_user(10).id, "animate")
    with transaction() as session:
        jobs.fail(session, failed.id, reason="x")
    assert all(str(each.id) in viewer.get("/orders/").text for each in (done, failed))
    for query in (
        {"status": "failed"},
        {"service": "animate"},
        {"error": "operator"},
        {"status": "failed", "service": "animate", "since": "2020-01-01"},
    ):
        page = viewer.get("/orders/", **query).text
        assert str(failed.id) in page and str(done.id) not in page, query
    assert "Ничего не найдено" in viewer.get("/orders/", worker="nobody").text
    assert viewer.get("/orders/", status="lost").status_code == 400
    assert viewer.get("/orders/", cursor="lost").status_code == 400
    assert "/people/" not in viewer.get("/orders/").text


def test_an_order_is_failed_with_words_and_made_again_once(console: World) -> None:
    support = console.operator("support")
    user = make_user(5)
    job = make_job(user.id)
    path = f"/orders/{job.id}"
    assert support.post(f"{path}/fail", seen=path, fail_reason="").status_code == 422
    assert balance(user.id) == 0
    support.follow(support.post(f"{path}/fail", seen=path, fail_reason="Не получилось."))
    assert balance(user.id) == 5 and "Не получилось." in support.get(path).text
    form = support.hidden(path) | {"retry_reason": "починили"}
    for _ in range(2):
        said = support.follow(support.client.post(f"{path}/retry", data=form)).text
        assert "в очереди" in said
    assert balance(user.id) == 0
    with transaction() as session:
        grants.grant(session, user.id, Decimal(5), key="for-one-more", reason="x")
    colleague = console.operator("admin").post(f"{path}/retry", seen=path, retry_reason="и я")
    assert colleague.status_code == 422 and "уже повторён" in colleague.text
    assert balance(user.id) == 5, "the customer pays once, whoever has the page open"
    (entry,) = entries("job.retry")
    again = (entry.after or {})["job"]
    assert entry.reason == "починили" and "предыдущий" in support.get(f"/orders/{again}").text
    refused = support.post(f"/orders/{again}/retry", seen=path, retry_reason="x")
    assert refused.status_code == 422 and len(entries("job.retry")) == 1


def test_payments_are_narrowed_by_filters_and_tell_what_they_moved(console: World) -> None:
    viewer = console.operator("viewer")
    _, first = buyer_with_payment("stripe")
    _, second = buyer_with_payment("telegram")
    settle(notice(first, "succeeded"))
    with transaction() as session:
        payments.note_trouble(session, second.id, "does not answer")
    for query, shown, hidden in (
        ({"provider": "stripe"}, first, second),
        ({"status": "succeeded"}, first, second),
        ({"only": "troubled"}, second, first),
    ):
        page = viewer.get("/payments/", **query).text
        assert str(shown.id) in page and str(hidden.id) not in page, query
    page = viewer.get(f"/payments/{first.id}").text
    assert "покупка токенов" in page and "payment.succeeded" in page
    assert first.payer_telegram_id not in page
    assert first.payer_telegram_id in console.operator("support").get(f"/payments/{first.id}").text


def test_a_provider_is_asked_now_and_then_refunds_once(
    console: World, sandbox: CountingSandbox
) -> None:
    user, payment = paid(sandbox)
    admin, path = console.operator("admin"), f"/payments/{payment.id}"
    assert "Применено." in admin.follow(admin.post(f"{path}/check", seen=path)).text
    assert balance(user.id) == 20 and row(payment).status == "succeeded"

    asked = f"{path}/refund"
    wish = {"rub": "50", "reason": "не понравилось", "key": "a-key-of-ours"}
    shown = admin.get(asked, **wish).text
    assert "станет 15" in shown and "забрано 5" in shown
    for _ in range(2):
        admin.follow(admin.post(asked, seen=asked, **wish))
    assert (balance(user.id), row(payment).refunded_rub) == (15, 50)
    begun, first, *_ = entries("payment.refund")
    assert (begun.outcome, first.outcome) == ("begun", "done")
    assert (first.reason, first.key, first.after) == ("не понравилось", wish["key"], {"rub": "50"})
    too_much = admin.get(asked, **(wish | {"rub": "151"}))
    assert "не больше 150" in too_much.text and "Баланс сейчас" not in too_much.text
    assert admin.post(asked, seen=asked, **(wish | {"key": ""})).status_code == 422
    assert row(payment).refunded_rub == 50


def test_the_key_of_a_refund_stays_when_the_provider_does_not_answer(
    console: World, sandbox: CountingSandbox
) -> None:
    user, payment = paid(sandbox)
    admin, path = console.operator("admin"), f"/payments/{payment.id}"
    admin.post(f"{path}/check", seen=path)
    sandbox.inject_fault("stripe", "html", call="*", times=99)
    wish = {"rub": "200", "reason": "x", "key": "once-and-for-all"}
    lost = admin.post(f"{path}/refund", seen=f"{path}/refund", **wish)
    assert lost.status_code == 503 and "Может быть, это уже сделано" in lost.text
    assert "Ничего не изменено" not in lost.text, "the money may have gone"
    sandbox.clear_faults("stripe")
    afresh, same = admin.get(f"{path}/refund"), admin.get(f"{path}/refund", **wish)
    assert "once-and-for-all" in afresh.text and "не закончен" not in same.text
    admin.follow(admin.post(f"{path}/refund", seen=f"{path}/refund", **wish))
    assert "не закончен" not in admin.get(f"{path}/refund").text
    assert (balance(user.id), row(payment).refunded_rub) == (0, 200)
    assert [e.outcome for e in entries("payment.refund")] == ["begun", "failed", "begun", "done"]


def test_a_refund_wants_a_code_that_was_just_given(console: World) -> None:
    admin = console.operator("admin")
    _, payment = buyer_with_payment("stripe")
    settle(notice(payment, "succeeded"))
    admin.forget_code()
    path = f"/payments/{payment.id}/refund"
    answer = admin.post(path, seen=path, rub="1", reason="x", key="k")
    assert answer.status_code == 422 and 'name="code"' in answer.text
    assert entries("payment.refund") == []


def test_a_parked_event_is_shown_first_and_replayed_or_dismissed(console: World) -> None:
    support = console.operator("support")
    _, payment = buyer_with_payment("stripe")
    settle(notice(payment, "succeeded", amount_minor=1))
    with reading() as reader:
        (parked,) = inbox.of_payment(reader, payment.id)
    page = support.follow_any(support.get("/payment-events/")).text
    path = f"/payment-events/{parked.id}"
    assert path in page and "сумма не та" in page
    assert "&#34;amount_minor&#34;: 1" in support.get(path).text
    unseen = console.operator("viewer").get(path)
    assert unseen.status_code == 200 and "amount_minor" not in unseen.text, "it tells who has paid"
    assert support.post(f"{path}/replay", seen=path).status_code == 422
    replayed = support.post(f"{path}/replay", seen=path, replay_reason="исправили цену")
    said = support.follow(replayed).text
    assert "сумма не та" in said and entries("event.replay")[0].reason == "исправили цену"
    assert support.post(f"{path}/dismiss", seen=path, reason="").status_code == 422
    support.follow(support.post(f"{path}/dismiss", seen=path, reason="чужой магазин"))
    assert path not in support.get("/payment-events/", state="parked").text
    assert path in support.get("/payment-events/", state="ignored").text
    again = support.post(f"{path}/dismiss", seen="/reviews/", reason="x")
    assert again.status_code == 422
    assert [e.reason for e in entries("event.dismiss")] == ["чужой магазин"]
    assert support.get(f"/payment-events/{payment.id}").status_code == 404


def test_what_somebody_had_paid_is_given_back_after_they_were_erased(
    console: World, sandbox: CountingSandbox
) -> None:
    user, payment = paid(sandbox)
    admin, path = console.operator("admin"), f"/payments/{payment.id}"
    admin.follow(admin.post(f"{path}/check", seen=path))
    with acting():
        erasure.erase(user.id)
    wish = {"rub": "200", "reason": "пришло поздно", "key": "of-an-erased-person"}
    shown = admin.get(f"{path}/refund", **wish)
    assert shown.status_code == 200 and "станет 0" in shown.text
    admin.follow(admin.post(f"{path}/refund", seen=f"{path}/refund", **wish))
    assert row(payment).refunded_rub == 200
