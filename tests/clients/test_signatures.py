"""Events that are posted: who signed them, and when. Standard Webhooks 1.0.0."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from livephoto_client import EventNotVerified, verify_event

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
OLD = "whsec_" + base64.b64encode(b"fedcba9876543210fedcba9876543210").decode()
BODY = json.dumps({"type": "job.done", "data": {"text": "готов"}}).encode()
SENT_AT = 1_796_000_000


def signed(secret: str = SECRET, body: bytes = BODY, sent_at: int = SENT_AT) -> dict[str, str]:
    """Headers as the standard says, made without our own code."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"evt_1.{sent_at}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(sent_at),
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }


def test_an_event_of_the_backend_is_read() -> None:
    headers = {name.title(): value for name, value in signed().items()}
    assert verify_event(headers, BODY, SECRET, now=SENT_AT + 299)["type"] == "job.done"


def test_the_example_of_the_standard_itself_is_accepted() -> None:
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert verify_event(headers, b'{"test": 2432232314}', secret, now=1614265330.0)


def test_while_secrets_are_rotated_one_that_fits_is_enough() -> None:
    both = signed(OLD)
    both["webhook-signature"] += " v1a,unknown " + signed(SECRET)["webhook-signature"]
    assert verify_event(both, BODY, SECRET, now=SENT_AT)
    assert verify_event(signed(OLD), BODY, [SECRET, OLD], now=SENT_AT)


@pytest.mark.parametrize(
    ("changed", "body", "now"),
    [
        ({}, BODY + b" ", SENT_AT),
        ({}, BODY, SENT_AT + 301),
        ({}, BODY, SENT_AT - 301),
        ({"webhook-id": "evt_2"}, BODY, SENT_AT),
        ({"webhook-timestamp": str(SENT_AT + 1)}, BODY, SENT_AT),
        ({"webhook-timestamp": "now"}, BODY, SENT_AT),
        ({"webhook-signature": "v1"}, BODY, SENT_AT),
        ({"webhook-signature": "v1,ключ"}, BODY, SENT_AT),
        ({"webhook-signature": ""}, BODY, SENT_AT),
    ],
)
def test_one_of_somebody_else_is_refused(changed: dict[str, str], body: bytes, now: int) -> None:
    with pytest.raises(EventNotVerified):
        verify_event(signed() | changed, body, SECRET, now=now)


def test_without_headers_or_json_it_is_refused() -> None:
    missing: dict[str, Any] = {}
    with pytest.raises(EventNotVerified):
        verify_event(missing, BODY, SECRET, now=SENT_AT)
    with pytest.raises(EventNotVerified):
        verify_event(signed(body=b"hello"), b"hello", SECRET, now=SENT_AT)


def test_a_secret_that_is_none_is_a_mistake_of_the_bot() -> None:
    with pytest.raises(ValueError, match="whsec_"):
        verify_event(signed(), BODY, "not base64!", now=SENT_AT)
