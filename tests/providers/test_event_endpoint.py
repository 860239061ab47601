"""An event is posted as Standard Webhooks asks, in bounded time, whatever the bot's side does."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from db.types import now
from providers import event_endpoint
from providers.event_endpoint import Delivery, Endpoint
from tests import event_receiver
from tests.event_receiver import OTHER_SECRET, SECRET, receiving
from tests.wire import IN_TIME_SECONDS

BODY = '{"type": "bonus.granted", "data": {"text": "Привет"}}'.encode()


def post(url: str, *secrets: str) -> Delivery:
    return Endpoint(url, secrets or (SECRET,)).post("evt_1", BODY, now=now())


def test_the_judge_of_the_standard_accepts_what_is_posted() -> None:
    with receiving() as bot:
        assert post(bot.url) == Delivery(204)
    assert bot.unproved == []
    assert bot.posts[0]["data"] == {"text": "Привет"}
    assert bot.ids == ["evt_1"]


def test_during_a_rotation_the_first_two_secrets_sign() -> None:
    third = "whsec_dGhpcmQtc2VjcmV0LW9mLXRoZS10ZXN0cy0wMDAwMg=="
    keys = (SECRET, OTHER_SECRET, third)
    for secret in keys[:2]:
        with receiving(secret) as bot:
            post(bot.url, *keys)
        assert bot.unproved == []
    with receiving(third) as bot:
        post(bot.url, *keys)
    assert len(bot.unproved) == 1


def test_the_signature_is_that_of_this_attempt() -> None:
    keys = [event_endpoint._key(SECRET)]
    old = event_endpoint.signed("evt_1", BODY, keys, now=datetime(2026, 1, 1, tzinfo=UTC))
    assert old["webhook-timestamp"] == "1767225600"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY.decode(), old)
    fresh = event_endpoint.signed("evt_1", BODY, keys, now=now())
    assert fresh["webhook-id"] == old["webhook-id"]
    assert Webhook(SECRET).verify(BODY.decode(), fresh)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (event_receiver.status(200, b"ok"), Delivery(200)),
        (event_receiver.endless(200), Delivery(200)),
        (event_receiver.status(500, b"Oh\0 no"), Delivery(500, "Oh no")),
        (event_receiver.status(410), Delivery(410)),
        (event_receiver.status(429, Retry_After="7"), Delivery(429, "", 7)),
        (event_receiver.status(503, Retry_After="999999"), Delivery(503, "", 3600)),
        (event_receiver.status(429, Retry_After="soon"), Delivery(429)),
    ],
)
def test_what_the_bot_answers_is_understood(
    answer: event_receiver.Answer, expected: Delivery
) -> None:
    with receiving() as bot:
        bot.answers = [answer]
        assert post(bot.url) == expected


def test_a_redirect_is_a_failure_and_is_not_followed() -> None:
    with receiving() as bot, receiving() as elsewhere:
        bot.answers = [event_receiver.status(302, Location=elsewhere.url)]
        assert post(bot.url).status == 302
    assert elsewhere.posts == []


def test_of_an_endless_refusal_only_its_beginning_is_read() -> None:
    with receiving() as bot:
        bot.answers = [event_receiver.endless(500)]
        delivery = post(bot.url)
    assert (delivery.status, len(delivery.error)) == (500, event_endpoint.MOST_ANSWER_BYTES)


@pytest.mark.parametrize(
    "answer", [event_receiver.reset, event_receiver.silence, event_receiver.drip]
)
def test_no_answer_is_a_failure_after_a_bounded_time(
    answer: event_receiver.Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_endpoint, "TOTAL_SECONDS", 0.5)
    began = time.monotonic()
    with receiving() as bot:
        bot.answers = [answer]
        delivery = post(bot.url)
    assert delivery.status is None and delivery.error and not delivery.delivered
    assert time.monotonic() - began < IN_TIME_SECONDS


@pytest.mark.parametrize("secret_place", ["169.254.169.254", "fe80::1", "168.63.129.16"])
def test_a_name_that_leads_to_the_services_of_a_cloud_is_refused(secret_place: str) -> None:
    with receiving() as bot:
        endpoint = Endpoint(
            bot.url, (SECRET,), resolve=lambda host, seconds: [ip_address(secret_place)]
        )
        assert "cloud" in endpoint.post("evt_1", BODY, now=now()).error
    assert bot.posts == []


def test_a_port_where_nobody_listens_and_a_name_that_nobody_has_are_failures() -> None:
    assert post("http://127.0.0.1:9/events").error == "ConnectionRefusedError"
    assert post("http://nobody.invalid/events").error == "the name is not known"


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with receiving() as bot:
        assert post(bot.url).delivered
