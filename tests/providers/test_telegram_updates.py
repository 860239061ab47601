"""Which updates matter, who wrote what, and that a payment is never passed over."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from errors import ApiError
from providers.telegram.updates import (
    GroupMessage,
    PreCheckout,
    RefundedPayment,
    SuccessfulPayment,
    hash_text,
    parse_update,
)

ANNA = {"id": 555001, "is_bot": False, "first_name": "A"}
PRIVATE = {"id": 555001, "type": "private"}
GROUP = {"id": -1002, "type": "supergroup", "title": "G", "username": "talk"}
CHANNEL = {"id": -1001, "type": "channel", "title": "C"}
PAYMENT = {
    "currency": "XTR",
    "total_amount": 150,
    "invoice_payload": "8f0c",
    "telegram_payment_charge_id": "stx_1",
}
WHEN = datetime(2025, 11, 24, 16, 0, tzinfo=UTC)


def message(**more: Any) -> dict[str, Any]:
    body = {"message_id": 77, "date": 1764000000, "chat": GROUP, "from": ANNA, "text": "Класс"}
    return {"update_id": 9, "message": {k: v for k, v in (body | more).items() if v is not None}}


def test_a_pre_checkout_keeps_who_pays_what() -> None:
    query = {
        "id": "123456789012345678",
        "from": ANNA,
        "currency": "XTR",
        "total_amount": 150,
        "invoice_payload": "8f0c",
    }
    assert parse_update({"update_id": 9, "pre_checkout_query": query}) == PreCheckout(
        9, "123456789012345678", 555001, "8f0c", "XTR", 150
    )


def test_a_payment_and_its_refund_name_the_same_charge() -> None:
    paid = PAYMENT | {"provider_payment_charge_id": "8f0c"}
    assert parse_update(message(chat=PRIVATE, text=None, successful_payment=paid)) == (
        SuccessfulPayment(
            update_id=9,
            charge_id="stx_1",
            provider_charge_id="8f0c",
            payer_id=555001,
            payload="8f0c",
            currency="XTR",
            total_amount=150,
            paid_at=WHEN,
        )
    )
    bot = {"id": 1, "is_bot": True, "first_name": "Bot"}
    refund = message(chat=PRIVATE, text=None, refunded_payment=PAYMENT) | {}
    refund["message"]["from"] = bot
    assert parse_update(refund) == RefundedPayment(9, "stx_1", 555001, "8f0c", "XTR", 150, WHEN)


@pytest.mark.parametrize("gone", sorted(PAYMENT))
def test_a_payment_with_a_missing_field_is_refused_not_ignored(gone: str) -> None:
    payment = {key: value for key, value in PAYMENT.items() if key != gone}
    with pytest.raises(ApiError, match="not a Telegram update"):
        parse_update(message(chat=PRIVATE, successful_payment=payment))


@pytest.mark.parametrize("amount", [1.5, "150", True, None])
def test_an_amount_that_is_no_whole_number_is_refused(amount: Any) -> None:
    with pytest.raises(ApiError):
        parse_update(message(chat=PRIVATE, successful_payment=PAYMENT | {"total_amount": amount}))


@pytest.mark.parametrize("body", [{}, {"update_id": "x"}, {"update_id": 9, "message": []}])
def test_what_is_no_update_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as caught:
        parse_update(body)
    assert caught.value.code == "bad_request"


def test_a_persons_words_in_a_group_have_an_author() -> None:
    found = parse_update(message())
    assert found == GroupMessage(
        9, -1002, "talk", 77, 555001, hash_text({"text": "Класс"}), 0, WHEN
    )


def test_an_edited_message_keeps_its_place_and_says_when() -> None:
    body = message(edit_date=1764000060, text="Другое")
    found = parse_update({"update_id": 10, "edited_message": body["message"]})
    assert isinstance(found, GroupMessage)
    assert found.date == WHEN.replace(minute=1) and found.author_id == 555001
    assert found.text_hash != hash_text({"text": "Класс"})


@pytest.mark.parametrize(
    "unproved",
    [
        {"from": {"id": 1087968824, "is_bot": True}, "sender_chat": GROUP},
        {"from": {"id": 136817688, "is_bot": True}, "sender_chat": CHANNEL},
        {"from": {"id": 777000, "is_bot": False}, "is_automatic_forward": True},
        {"from": {"id": 777000, "is_bot": False}},
        {"sender_chat": CHANNEL},
        {"from": {"id": 42, "is_bot": True}},
        {"from": None},
        {"forward_origin": {"type": "user", "date": 1, "sender_user": ANNA}},
    ],
)
def test_words_without_a_proved_person_have_no_author(unproved: dict[str, Any]) -> None:
    found = parse_update(message(**unproved))
    assert isinstance(found, GroupMessage) and found.author_id is None


def test_a_channel_post_counts_but_has_no_author() -> None:
    post = message(chat=CHANNEL)["message"] | {"sender_chat": CHANNEL}
    del post["from"]
    found = parse_update({"update_id": 9, "channel_post": post})
    assert isinstance(found, GroupMessage)
    assert (found.chat_id, found.chat_username, found.author_id) == (-1001, None, None)
    assert parse_update({"update_id": 9, "edited_channel_post": post}) == found


@pytest.mark.parametrize(
    "body",
    [
        message(chat=PRIVATE),
        message(text=None, new_chat_members=[ANNA]),
        message(text=None, pinned_message={"message_id": 1}),
        {"update_id": 9, "callback_query": {"id": "1"}},
        {"update_id": 9},
    ],
)
def test_everything_else_is_of_no_interest(body: dict[str, Any]) -> None:
    assert parse_update(body) is None


def test_a_picture_with_a_caption_is_words_and_without_one_is_not() -> None:
    photo = [{"file_id": "x"}]
    with_words = parse_update(message(text=None, photo=photo, caption="Класс"))
    without = parse_update(message(text=None, photo=photo))
    assert isinstance(with_words, GroupMessage) and isinstance(without, GroupMessage)
    assert with_words.text_hash == hash_text({"text": " Класс\n"}) and without.text_hash is None


@pytest.mark.parametrize(
    ("content", "length"),
    [
        ({"text": " Бабушка\n\nулыбнулась "}, len("Бабушка улыбнулась")),
        ({"text": "/start"}, 0),
        ({"text": "/review@bot очень хорошо"}, 0),
        ({"text": "Супер!"}, 0),
        ({"text": "  "}, 0),
        ({"caption": "Супер!", "photo": [{"file_id": "x"}]}, None),
        ({"voice": {"file_id": "x"}}, None),
    ],
)
def test_the_length_of_a_message_is_that_of_its_words(
    content: dict[str, Any], length: int | None
) -> None:
    found = parse_update(message(**({"text": None} | content)))
    assert isinstance(found, GroupMessage) and found.prose_length == length
