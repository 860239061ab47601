"""How the sandbox delivers notifications: repeated until acknowledged, copied, late, reordered."""

from __future__ import annotations

import json
import threading
import time
from typing import Any
from uuid import uuid4

import pytest
import requests

from local.sandbox import Options
from local.sandbox.stripe import SECRET_KEY as STRIPE_KEY
from local.sandbox.yookassa import SECRET_KEY, SHOP_ID
from tests.payment_world import Sandbox, Shop, payment_sandbox
from tests.wire import wait_until

FAST = 0.02  # of the real pauses


def paid(world: Sandbox) -> str:
    """Id of a payment that has just been paid."""
    order = {
        "amount": {"value": "100.00", "currency": "RUB"},
        "capture": True,
        "confirmation": {"type": "redirect", "return_url": "https://t.me/x"},
    }
    made = requests.post(
        f"{world.yookassa}/payments",
        json=order,
        auth=(SHOP_ID, SECRET_KEY),
        headers={"Idempotence-Key": str(uuid4())},
        timeout=5,
    ).json()["id"]
    world.control("POST", f"/yookassa/payments/{made}/pay")
    return str(made)


def ids(shop: Shop, count: int) -> list[str]:
    return [json.loads(posted.raw)["object"]["id"] for posted in shop.wait_for(count)]


def test_only_200_ends_the_repeats_of_yookassa(world: Sandbox, shop: Shop) -> None:
    shop.statuses = [500, 404, 202, 204, 302]
    world.control("PUT", "/yookassa/webhook", url=shop.url, retry_scale=FAST)
    payment_id = paid(world)
    assert ids(shop, 6) == [payment_id] * 6
    # The sender notes an answer after the shop has given it.
    wait_until(lambda: world.control("GET", "/yookassa/events")[0]["delivered"])
    event = world.control("GET", "/yookassa/events")[0]
    assert event["statuses"] == [500, 404, 202, 204, 302, 200]


def test_any_2xx_ends_the_repeats_of_stripe_and_each_is_signed_anew(
    world: Sandbox, shop: Shop
) -> None:
    shop.statuses = [500, 204]
    world.control("PUT", "/stripe/webhook", url=shop.url, retry_scale=1.0)
    form = {
        "mode": "payment",
        "success_url": "https://t.me/x",
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": "rub",
        "line_items[0][price_data][unit_amount]": "19900",
        "line_items[0][price_data][product_data][name]": "x",
    }
    made = requests.post(
        f"{world.stripe}/v1/checkout/sessions", data=form, auth=(STRIPE_KEY, ""), timeout=5
    ).json()["id"]
    world.control("POST", f"/stripe/sessions/{made}/expire")
    first, second = shop.wait_for(2)
    assert first.raw == second.raw
    assert first.headers["Stripe-Signature"] != second.headers["Stripe-Signature"]


def test_copies_come_at_once(world: Sandbox, shop: Shop) -> None:
    shop.together = threading.Barrier(3)  # one after the other they would get no answer
    world.control("PUT", "/yookassa/webhook", url=shop.url, copies=3)
    payment_id = paid(world)
    assert ids(shop, 3) == [payment_id] * 3


def test_waiting_events_can_leave_newest_first(world: Sandbox, shop: Shop) -> None:
    world.control("PUT", "/yookassa/webhook", url=shop.url, paused=True)
    made = [paid(world) for _ in range(3)]
    assert shop.posted == []
    world.control("PUT", "/yookassa/webhook", paused=False, newest_first=True)
    assert ids(shop, 3) == made[::-1]


def test_events_can_be_late_and_come_again(world: Sandbox, shop: Shop) -> None:
    world.control("PUT", "/yookassa/webhook", url=shop.url, delay=0.2)
    before = time.monotonic()
    payment_id = paid(world)
    assert ids(shop, 1) == [payment_id]
    assert shop.posted[0].at - before >= 0.2
    world.control("POST", "/yookassa/events/1/redeliver")
    assert ids(shop, 2) == [payment_id] * 2


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/yookassa/faults", {"kind": "nonsense"}),
        ("/yookassa/faults", {"kind": "hang", "typo": 1}),
        ("/stripe/faults", {}),
    ],
)
def test_a_wrong_control_request_says_so(world: Sandbox, path: str, body: dict[str, Any]) -> None:
    answer = requests.post(f"{world.url}/control{path}", json=body, timeout=5)
    assert answer.status_code == 400 and "Error" in answer.json()["error"]


def test_a_lost_notification_is_never_sent_and_the_next_one_is(world: Sandbox, shop: Shop) -> None:
    world.control("PUT", "/yookassa/webhook", url=shop.url, lose=1)
    lost, delivered = paid(world), paid(world)
    assert ids(shop, 1) == [delivered]
    events = world.control("GET", "/yookassa/events")
    assert [json.loads(event["body"])["object"]["id"] for event in events] == [lost, delivered]
    assert events[0]["statuses"] == []


def test_a_closed_sandbox_repeats_nothing_and_leaves_no_thread(shop: Shop) -> None:
    shop.statuses = [500] * 10_000
    threads = set(threading.enumerate())
    with payment_sandbox(Options(server_url=shop.url)) as world:
        for path in ("yookassa/webhook", "stripe/webhook", "telegram/pace"):
            world.control("PUT", f"/{path}", retry_scale=0.001)
        paid(world)
        world.control("PUT", "/telegram/users/7", first_name="Анна")
        world.control("POST", "/telegram/users/7/say", text="привет")
        shop.wait_for(12)
    wait_until(lambda: set(threading.enumerate()) <= threads)
