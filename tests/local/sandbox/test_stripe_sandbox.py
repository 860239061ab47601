"""The Stripe sandbox is true to the wire: the official SDK cannot tell it from Stripe."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
import requests
import stripe
from stripe import StripeClient

from local.sandbox.stripe import SECRET_KEY, WEBHOOK_SECRET
from tests.payment_world import Sandbox, Shop

ORDER: dict[str, Any] = {
    "mode": "payment",
    "success_url": "https://t.me/example_bot",
    "client_reference_id": "8f0c",
    "metadata": {"payment_id": "8f0c"},
    "payment_intent_data": {"metadata": {"payment_id": "8f0c"}},
    "adaptive_pricing": {"enabled": False},
    "line_items": [
        {
            "quantity": 1,
            "price_data": {
                "currency": "rub",
                "unit_amount": 19900,
                "product_data": {"name": "20 токенов"},
            },
        }
    ],
}


def client_of(world: Sandbox, key: str = SECRET_KEY) -> StripeClient:
    return StripeClient(key, base_addresses={"api": world.stripe}, max_network_retries=0)


@pytest.fixture
def client(world: Sandbox) -> StripeClient:
    return client_of(world)


def create(client: StripeClient, key: str | None = None, **changes: Any) -> Any:
    options: Any = {"idempotency_key": key} if key else {}
    return client.v1.checkout.sessions.create(ORDER | changes, options)  # type: ignore[arg-type]


def paid(world: Sandbox, client: StripeClient) -> Any:
    session = create(client)
    world.control("POST", f"/stripe/sessions/{session.id}/pay")
    return client.v1.checkout.sessions.retrieve(session.id)


def test_a_session_is_created_paid_and_read(world: Sandbox, client: StripeClient) -> None:
    made = create(client)
    assert (made.status, made.payment_status, made.payment_intent) == ("open", "unpaid", None)
    assert (made.amount_total, made.currency, made.livemode) == (19900, "rub", False)
    assert made.client_reference_id == made.metadata["payment_id"] == "8f0c"
    assert made.url.endswith(f"/stripe/pay/{made.id}")
    assert made.expires_at - made.created == 24 * 3600
    world.control("POST", f"/stripe/sessions/{made.id}/pay")
    found = client.v1.checkout.sessions.retrieve(
        made.id, {"expand": ["payment_intent.latest_charge"]}
    )
    assert (found.status, found.payment_status, found.url) == ("complete", "paid", None)
    charge: Any = found.payment_intent.latest_charge
    assert (charge.amount, charge.metadata["payment_id"]) == (19900, "8f0c")


def test_a_closed_session_cannot_be_closed_again(world: Sandbox, client: StripeClient) -> None:
    made = create(client)
    assert client.v1.checkout.sessions.expire(made.id).status == "expired"
    with pytest.raises(stripe.InvalidRequestError, match="status of expired"):
        client.v1.checkout.sessions.expire(made.id)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.checkout.sessions.expire(paid(world, client).id)


def test_sessions_expire_in_a_day(world: Sandbox, client: StripeClient) -> None:
    made = create(client)
    world.control("POST", "/clock", advance_seconds=24 * 3600)
    assert client.v1.checkout.sessions.retrieve(made.id).status == "expired"


def test_refunds_add_up_and_stop_at_the_amount(world: Sandbox, client: StripeClient) -> None:
    intent = paid(world, client).payment_intent
    first = client.v1.refunds.create({"payment_intent": intent, "amount": 15000})
    assert first.status == "succeeded"
    charge = client.v1.charges.retrieve(str(first.charge))
    assert (charge.amount_refunded, charge.refunded) == (15000, False)
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        client.v1.refunds.create({"payment_intent": intent, "amount": 15000})
    client.v1.refunds.create({"payment_intent": intent})
    assert client.v1.charges.retrieve(charge.id).refunded
    with pytest.raises(stripe.InvalidRequestError) as again:
        client.v1.refunds.create({"payment_intent": intent})
    assert again.value.code == "charge_already_refunded"


def test_a_failed_refund_leaves_the_money_with_the_shop(
    world: Sandbox, client: StripeClient
) -> None:
    intent = paid(world, client).payment_intent
    world.control("PUT", "/stripe/refunds", wait=True)
    waiting = client.v1.refunds.create({"payment_intent": intent})
    assert waiting.status == "pending"
    world.control("POST", f"/stripe/refunds/{waiting.id}/fail")
    found = client.v1.refunds.retrieve(waiting.id, {"expand": ["charge"]})
    assert (found.status, found.charge.amount_refunded) == ("failed", 0)


def test_all_that_was_paid_since_a_moment_is_listed_newest_first_with_its_charge(
    world: Sandbox, client: StripeClient
) -> None:
    before = paid(world, client)
    world.control("POST", "/clock", advance_seconds=60)
    since: Any = {"created": {"gte": before.created + 1}, "limit": 2}
    made = [paid(world, client) for _ in range(3)]
    create(client)  # still open
    refund = client.v1.refunds.create({"payment_intent": made[0].payment_intent, "amount": 100})
    world.control("POST", f"/stripe/sessions/{made[1].id}/dispute")
    complete = since | {"status": "complete", "expand": ["data.payment_intent.latest_charge"]}
    listed = list(client.v1.checkout.sessions.list(complete).auto_paging_iter())
    assert [each.id for each in listed] == [each.id for each in reversed(made)]
    charge: Any = listed[2].payment_intent.latest_charge
    assert (charge.amount_refunded, charge.metadata["payment_id"]) == (100, "8f0c")
    (back,) = client.v1.refunds.list(since | {"expand": ["data.charge"]}).auto_paging_iter()
    assert (back.id, back.charge.id) == (refund.id, charge.id)
    (dispute,) = client.v1.disputes.list(since | {"expand": ["data.charge"]}).auto_paging_iter()
    assert dispute.charge.payment_intent == made[1].payment_intent


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"typo": "x"}, "typo"),
        ({"line_items": []}, "line_items"),
        ({"mode": "subscription"}, "mode"),
        ({"success_url": "t.me"}, "success_url"),
        ({"expires_at": 1}, "expires_at"),
        ({"metadata": {"k": "v" * 501}}, "metadata"),
    ],
)
def test_a_malformed_order_is_refused_with_its_parameter(
    client: StripeClient, changes: dict[str, Any], parameter: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        create(client, **changes)
    assert str(refused.value.param).startswith(parameter)


def test_prices_are_whole_and_not_too_small(client: StripeClient) -> None:
    def priced(unit_amount: Any) -> Any:
        item = ORDER["line_items"][0]
        price = item["price_data"] | {"unit_amount": unit_amount}
        return create(client, line_items=[item | {"price_data": price}])

    with pytest.raises(stripe.InvalidRequestError, match="Invalid integer"):
        priced("199.00")
    with pytest.raises(stripe.InvalidRequestError) as small:
        priced(100)
    assert small.value.code == "amount_too_small"


def test_json_is_not_read(world: Sandbox) -> None:
    answer = requests.post(
        f"{world.stripe}/v1/checkout/sessions",
        json=ORDER,
        headers={"Authorization": f"Bearer {SECRET_KEY}"},
        timeout=60,
    )
    assert answer.status_code == 400
    assert "application/x-www-form-urlencoded" in answer.json()["error"]["message"]


def test_wrong_keys_are_401_and_strangers_are_404(world: Sandbox, client: StripeClient) -> None:
    with pytest.raises(stripe.AuthenticationError):
        create(client_of(world, "sk_test_other"))
    with pytest.raises(stripe.InvalidRequestError) as missing:
        client.v1.checkout.sessions.retrieve("cs_test_none")
    assert missing.value.http_status == 404


def test_a_key_gives_its_first_answer_even_an_error(world: Sandbox, client: StripeClient) -> None:
    first = create(client, key="key-1")
    again = create(client, key="key-1")
    assert again.id == first.id
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    with pytest.raises(stripe.IdempotencyError):
        create(client, key="key-1", client_reference_id="other")
    world.inject_fault("stripe", "status", status=500, after=True)
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            create(client, key="key-2")
    with pytest.raises(stripe.InvalidRequestError):
        create(client, key="key-3", typo="x")
    assert create(client, key="key-3").status == "open"  # what was not begun used no key up
    world.control("POST", "/clock", advance_seconds=24 * 3600 + 1)
    assert create(client, key="key-1").id != first.id


def test_a_key_in_use_is_a_conflict(world: Sandbox, client: StripeClient) -> None:
    world.inject_fault("stripe", "hang", seconds=60, after=False)
    made: list[str] = []
    slow = threading.Thread(target=lambda: made.append(create(client, key="busy").id))
    slow.start()
    world.wait_for_hanging("stripe")
    with pytest.raises(stripe.StripeError) as conflict:
        create(client, key="busy")
    assert conflict.value.http_status == 409
    world.control("DELETE", "/stripe/faults")  # ends what hangs, too
    slow.join()
    assert create(client, key="busy").id == made[0]


def test_events_are_signed_as_the_sdk_verifies(world: Sandbox, shop: Shop) -> None:
    client = client_of(world)
    world.control("PUT", "/stripe/webhook", url=shop.url)
    world.control("PUT", "/stripe/signing", secrets=["whsec_new", WEBHOOK_SECRET])
    session = paid(world, client)
    posted = shop.wait_for(3)
    for secret in ("whsec_new", WEBHOOK_SECRET):
        events = [
            stripe.Webhook.construct_event(each.raw, each.headers["Stripe-Signature"], secret)
            for each in posted
        ]
    assert {event.type for event in events} == {
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    }
    (completed,) = [event for event in events if event.type == "checkout.session.completed"]
    assert completed.data.object["id"] == session.id
    assert completed.data.object["payment_status"] == "paid"
    with pytest.raises(stripe.SignatureVerificationError):
        altered = posted[0].raw.replace(b"false", b"true ", 1)
        header = posted[0].headers["Stripe-Signature"]
        stripe.Webhook.construct_event(altered, header, WEBHOOK_SECRET)


def test_a_slow_method_completes_before_it_pays(world: Sandbox, shop: Shop) -> None:
    client = client_of(world)
    world.control("PUT", "/stripe/webhook", url=shop.url)
    first, second = create(client).id, create(client).id
    for session_id, good in ((first, True), (second, False)):
        world.control("POST", f"/stripe/sessions/{session_id}/pay", slow=True)
        assert client.v1.checkout.sessions.retrieve(session_id).payment_status == "unpaid"
        world.control("POST", f"/stripe/sessions/{session_id}/settle", paid=good)
    kinds = [json.loads(posted.raw)["type"] for posted in shop.wait_for(6)]
    assert "checkout.session.async_payment_succeeded" in kinds
    assert "checkout.session.async_payment_failed" in kinds
    assert client.v1.checkout.sessions.retrieve(first).payment_status == "paid"


def test_a_dispute_takes_the_money_and_may_give_it_back(world: Sandbox, shop: Shop) -> None:
    client = client_of(world)
    session = paid(world, client)
    world.control("PUT", "/stripe/webhook", url=shop.url)
    opened = world.control("POST", f"/stripe/sessions/{session.id}/dispute")
    world.control("POST", f"/stripe/disputes/{opened['id']}/won")
    kinds = {json.loads(posted.raw)["type"] for posted in shop.wait_for(4)}
    ends = ("created", "funds_withdrawn", "funds_reinstated", "closed")
    assert kinds == {f"charge.dispute.{end}" for end in ends}
    assert client.v1.disputes.retrieve(opened["id"]).status == "won"


def test_a_person_pays_on_the_page(world: Sandbox, client: StripeClient) -> None:
    url = str(create(client).url)
    assert "199\u00a0₽" in requests.get(url, timeout=60).text
    declined = requests.post(url, data={"do": "decline"}, timeout=60).text
    assert "Карта отклонена" in declined and "<form" in declined
    assert "Оплачено" in requests.post(url, data={"do": "pay"}, timeout=60).text
    assert requests.get(f"{url}x", timeout=60).status_code == 404
