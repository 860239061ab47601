"""The Bot API client: what each answer means, what is waited for, what is never logged."""

from __future__ import annotations

import logging
import secrets
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from local.sandbox.telegram import TOKEN
from providers.telegram import (
    Clock,
    Meaning,
    Membership,
    MessageRef,
    StarTransaction,
    TelegramBot,
    TelegramError,
    star_transactions_since,
)
from providers.telegram import bot as telegram_bot
from providers.telegram.calls import URGENT, Haste
from tests.telegram_world import CHANNEL, GROUP, LOG_CHAT, PAYER, World, telegram_world
from tests.wire import wait_until


class Hand:
    """A clock moved by hand; sleeping moves it too and is written down."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds

    def clock(self) -> Clock:
        return Clock(now=lambda: self.seconds, sleep=self.sleep)


@pytest.fixture(scope="module")
def shared_world() -> Iterator[World]:
    with telegram_world() as opened:
        yield opened


@pytest.fixture
def world(shared_world: World) -> World:
    shared_world.control("DELETE", "/faults")
    shared_world.control("PUT", f"/chats/{CHANNEL}", type="channel", username="live_photo")
    shared_world.control("PUT", f"/chats/{GROUP}", type="supergroup", username="live_photo_talk")
    return shared_world


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def bot(world: World, hand: Hand) -> TelegramBot:
    return TelegramBot(world.api, TOKEN, hand.clock())


def fail(world: World, status: int, text: str, method: str = "getChatMember", **more: Any) -> None:
    """The next calls of `method` are refused with this status and text."""
    world.control(
        "POST",
        "/faults",
        kind="status",
        call=method,
        status=status,
        description=text,
        **({"times": 1} | more),
    )


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"status": "creator"}, Membership.MEMBER),
        ({"status": "administrator"}, Membership.MEMBER),
        ({"status": "member"}, Membership.MEMBER),
        ({"status": "restricted", "is_member": True}, Membership.MEMBER),
        ({"status": "restricted", "is_member": False}, Membership.NOT_MEMBER),
        ({"status": "left"}, Membership.NOT_MEMBER),
        ({"status": "kicked"}, Membership.NOT_MEMBER),
    ],
)
def test_every_status_is_membership_or_not(
    world: World, bot: TelegramBot, row: dict[str, Any], expected: Membership
) -> None:
    world.control("PUT", f"/chats/{CHANNEL}/members/{PAYER}", **row)
    assert bot.get_chat_member("@live_photo", PAYER) is expected


@pytest.mark.parametrize(
    "text",
    [
        "Bad Request: user not found",
        "Bad Request: member not found",
        "Bad Request: PARTICIPANT_ID_INVALID",
        "Bad Request: USER_ID_INVALID",
        "Bad Request: invalid user_id specified",
    ],
)
def test_a_person_telegram_does_not_know_is_not_a_member(
    world: World, bot: TelegramBot, text: str
) -> None:
    fail(world, 400, text)
    assert bot.get_chat_member(CHANNEL, PAYER) is Membership.NOT_MEMBER


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, "Bad Request: member list is inaccessible"),
        (400, "Bad Request: CHAT_ADMIN_REQUIRED"),
        (400, "Bad Request: not enough rights"),
        (403, "Forbidden: bot is not a member of the channel chat"),
        (403, "Forbidden: bot was kicked from the channel chat"),
        (401, "Unauthorized"),
        (404, "Not Found"),
    ],
)
def test_missing_rights_are_an_alarm_and_never_a_no(
    world: World,
    bot: TelegramBot,
    status: int,
    text: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fail(world, status, text)
    with pytest.raises(TelegramError) as caught:
        bot.get_chat_member(CHANNEL, PAYER)
    assert caught.value.meaning is Meaning.CONFIGURATION
    assert (caught.value.status, caught.value.code) == (503, "telegram_unavailable")
    assert caught.value.headers["Retry-After"] == "60"
    alarms = [r for r in caplog.records if r.levelname == "ERROR" and "docs/" in r.getMessage()]
    assert len(alarms) == 1 and text in alarms[0].getMessage()


def test_a_wrong_channel_is_a_refusal_of_its_own_and_an_alarm(
    bot: TelegramBot, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(TelegramError) as caught:
        bot.get_chat_member("@no_such_channel", PAYER)
    assert (caught.value.status, caught.value.code) == (409, "channel_not_eligible")
    (alarm,) = (record for record in caplog.records if record.levelname == "ERROR")
    assert "chat not found" in alarm.getMessage()


@pytest.mark.parametrize(
    ("status", "text"),
    [(500, "Internal Server Error"), (502, "Bad Gateway"), (504, "Gateway Timeout")],
)
def test_trouble_that_passes_is_asked_again_with_growing_pauses(
    world: World, bot: TelegramBot, hand: Hand, status: int, text: str
) -> None:
    fail(world, status, text, times=2)
    world.control("PUT", f"/chats/{CHANNEL}/members/{PAYER}", status="member")
    assert bot.get_chat_member(CHANNEL, PAYER) is Membership.MEMBER
    assert len(hand.slept) == 2
    assert 0.2 <= hand.slept[0] <= 0.6 and 0.4 <= hand.slept[1] <= 1.2


@pytest.mark.parametrize("kind", ["html", "drop"])
def test_trouble_that_stays_is_unknown_not_a_no(world: World, bot: TelegramBot, kind: str) -> None:
    world.control("POST", "/faults", kind=kind, call="getChatMember", times=3)
    with pytest.raises(TelegramError) as caught:
        bot.get_chat_member(CHANNEL, PAYER)
    assert caught.value.meaning is Meaning.TEMPORARY and caught.value.status == 503
    assert bot.get_chat(CHANNEL).username


def test_an_answer_nobody_understands_is_unknown_not_a_no(world: World, bot: TelegramBot) -> None:
    fail(world, 400, "Bad Request: SOMETHING_NEW")
    with pytest.raises(TelegramError) as caught:
        bot.get_chat_member(CHANNEL, PAYER)
    assert (caught.value.meaning, caught.value.status) == (Meaning.REJECTED, 503)


@pytest.mark.parametrize("body", [b"{}", b'{"hello": 1}', b'{"ok": true}', b"[]", b"true"])
def test_an_answer_of_somebody_else_is_trouble_that_passes(body: bytes, hand: Hand) -> None:
    class Stranger(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        bot = TelegramBot(f"http://127.0.0.1:{server.server_port}", TOKEN, hand.clock())
        with pytest.raises(TelegramError) as caught:
            bot.delete_message(GROUP, 1)
        assert caught.value.meaning is Meaning.TEMPORARY and len(hand.slept) == 2
        server.shutdown()


def test_a_member_is_believed_for_a_minute(world: World, bot: TelegramBot, hand: Hand) -> None:
    world.control("PUT", f"/chats/{CHANNEL}/members/{PAYER}", status="member")
    assert bot.get_chat_member("@live_photo", PAYER) is Membership.MEMBER
    world.control("PUT", f"/chats/{CHANNEL}/members/{PAYER}", status="left")
    hand.seconds += 59
    assert bot.get_chat_member("@Live_Photo", PAYER) is Membership.MEMBER
    assert bot.get_chat_member("@live_photo", 42_000) is Membership.NOT_MEMBER
    hand.seconds += 2
    assert bot.get_chat_member("@live_photo", PAYER) is Membership.NOT_MEMBER


def test_a_no_is_never_remembered(world: World, bot: TelegramBot) -> None:
    world.control("PUT", f"/chats/{CHANNEL}/members/{PAYER}", status="left")
    assert bot.get_chat_member(CHANNEL, PAYER) is Membership.NOT_MEMBER
    assert bot.get_chat_member(CHANNEL, PAYER) is Membership.NOT_MEMBER
    world.control("PUT", f"/chats/{CHANNEL}/members/{PAYER}", status="member")
    assert bot.get_chat_member(CHANNEL, PAYER) is Membership.MEMBER


def test_a_short_429_is_waited_out_even_where_repeating_is_unsafe(
    world: World, bot: TelegramBot, hand: Hand
) -> None:
    posted = world.control("POST", "/messages", chat_id=GROUP, user_id=PAYER, text="Отзыв")
    world.control(
        "POST", "/faults", kind="status", status=429, call="forwardMessage", retry_after=2
    )
    number = posted["message"]["message_id"]
    assert bot.forward_message(GROUP, number, to_chat=LOG_CHAT)
    assert hand.slept == [2]


def test_a_long_429_is_passed_on_and_telegram_is_not_called_meanwhile(
    world: World, bot: TelegramBot, hand: Hand
) -> None:
    world.control("POST", "/faults", kind="status", status=429, call="getChat", retry_after=4)
    with pytest.raises(TelegramError) as caught:
        bot.get_chat(GROUP)
    assert caught.value.headers["Retry-After"] == "4" and hand.slept == []
    # The script is used up, so this would succeed: the client does not even try.
    hand.seconds += 0.5
    with pytest.raises(TelegramError) as again:
        bot.get_chat(GROUP)
    assert again.value.headers["Retry-After"] == "4"
    assert bot.get_chat_member(GROUP, PAYER)
    hand.seconds += 1
    assert bot.get_chat(GROUP).id == GROUP
    assert hand.slept == [3]


def test_a_group_that_became_a_supergroup_is_followed_and_remembered(
    world: World, bot: TelegramBot
) -> None:
    world.control("PUT", "/chats/-55", type="group", migrated_to=GROUP)
    assert bot.get_chat(-55).id == GROUP
    world.control("PUT", "/chats/-55", type="group", migrated_to=-999)
    assert bot.get_chat(-55).id == GROUP


def test_a_group_that_moved_in_a_circle_ends_in_an_error(world: World, bot: TelegramBot) -> None:
    world.control("PUT", "/chats/-56", type="group", migrated_to=-57)
    world.control("PUT", "/chats/-57", type="group", migrated_to=-56)
    with pytest.raises(TelegramError) as caught:
        bot.get_chat(-56)
    assert caught.value.meaning is Meaning.MIGRATED


def post(world: World, chat_id: int = GROUP, **more: Any) -> int:
    body = {"chat_id": chat_id, "text": "Класс"} | more
    number: int = world.control("POST", "/messages", **body)["message"]["message_id"]
    return number


def test_a_forward_proves_a_persons_authorship_and_leaves_no_copy(
    world: World, bot: TelegramBot
) -> None:
    proof = bot.prove_author("@live_photo_talk", post(world, user_id=PAYER), log_chat=LOG_CHAT)
    assert proof is not None and proof.author_id == PAYER
    assert abs(datetime.now(UTC) - proof.written_at) < timedelta(minutes=1)
    assert bot.delete_message(LOG_CHAT, proof.copy_id) is False


def test_the_proof_stands_when_the_copy_cannot_be_deleted(world: World, bot: TelegramBot) -> None:
    fail(world, 400, "Bad Request: message can't be deleted", method="deleteMessage")
    proof = bot.prove_author(GROUP, post(world, user_id=PAYER), log_chat=LOG_CHAT)
    assert proof is not None and proof.author_id == PAYER


def test_hidden_people_channels_and_anonymous_admins_prove_nobody(
    world: World, bot: TelegramBot
) -> None:
    world.control("PUT", "/users/8", first_name="Тайный", hides_forwards=True)
    messages: list[tuple[int, dict[str, Any]]] = [
        (GROUP, {"user_id": 8}),
        (GROUP, {"written_as": "anonymous"}),
        (GROUP, {"written_as": "channel"}),
        (CHANNEL, {}),
    ]
    for chat_id, author in messages:
        number = post(world, chat_id, **author)
        proof = bot.forward_message(chat_id, number, to_chat=LOG_CHAT)
        assert proof is not None and proof.author_id is None and proof.text_hash


def test_a_missing_or_protected_message_proves_nothing(world: World, bot: TelegramBot) -> None:
    assert bot.prove_author(GROUP, 999_999, log_chat=LOG_CHAT) is None
    protected = post(world, user_id=PAYER, protected=True)
    assert bot.prove_author(GROUP, protected, log_chat=LOG_CHAT) is None
    world.control("PUT", "/chats/-1009", type="supergroup", protected=True)
    assert bot.prove_author(-1009, post(world, -1009, user_id=8), log_chat=LOG_CHAT) is None


def test_a_forward_whose_answer_is_lost_is_not_repeated(world: World, bot: TelegramBot) -> None:
    number = post(world, user_id=PAYER)
    world.control("POST", "/faults", kind="drop", call="forwardMessage", after=True)
    with pytest.raises(TelegramError):
        bot.forward_message(GROUP, number, to_chat=LOG_CHAT)
    proof = bot.forward_message(GROUP, number, to_chat=LOG_CHAT)
    assert proof is not None and proof.copy_id == number + 2


@pytest.mark.parametrize("chat", [GROUP, "@live_photo_talk"])
def test_a_link_is_located_by_id_name_or_the_post_it_comments(
    world: World, bot: TelegramBot, chat: int | str
) -> None:
    comments = [MessageRef("@live_photo", 7, comment_id=9), MessageRef(CHANNEL, 7, comment_id=9)]
    assert [bot.locate(ref, chat=chat) for ref in comments] == [None, None]
    world.control(
        "PUT",
        f"/chats/{GROUP}",
        type="supergroup",
        username="Live_Photo_Talk",
        linked_chat_id=CHANNEL,
    )
    assert [bot.locate(ref, chat=chat) for ref in comments] == [(GROUP, 9), (GROUP, 9)]
    assert bot.locate(MessageRef(GROUP, 7), chat=chat) == (GROUP, 7)
    assert bot.locate(MessageRef("@live_photo_talk", 7), chat=chat) == (GROUP, 7)


def test_of_a_link_elsewhere_telegram_is_asked_nothing(
    world: World, bot: TelegramBot, caplog: pytest.LogCaptureFixture
) -> None:
    world.control("PUT", "/chats/-1010", type="supergroup", username="strangers", bot_status="left")
    for ref in (
        MessageRef("@strangers", 7),
        MessageRef("@no_such_group", 7),
        MessageRef(-1010, 7),
        MessageRef("@strangers", 7, comment_id=9),
        MessageRef(-1010, 7, comment_id=9),
    ):
        assert bot.locate(ref, chat=GROUP) is None
    assert [record for record in caplog.records if record.levelname != "INFO"] == []


def invoice(bot: TelegramBot, **more: Any) -> str:
    terms: dict[str, Any] = {"payload": "8f0c", "currency": "XTR", "amount": 150} | more
    return bot.create_invoice_link("20 токенов", "Пополнение", **terms)


def test_a_pre_checkout_is_answered_once_and_then_told_too_late(
    world: World, bot: TelegramBot
) -> None:
    query_id, wait = checkout(world, bot)
    assert bot.answer_pre_checkout_query(query_id, ok=True) is True
    assert wait()["status"] == "paid"
    assert bot.answer_pre_checkout_query(query_id, ok=True) is False


def test_a_refusal_reaches_the_payer_as_text(world: World, bot: TelegramBot) -> None:
    query_id, wait = checkout(world, bot)
    assert bot.answer_pre_checkout_query(query_id, ok=False, error_message="Уже оплачено")
    assert wait()["error_message"] == "Уже оплачено"


def test_an_answer_lost_on_the_way_is_sent_again(world: World, bot: TelegramBot) -> None:
    query_id, wait = checkout(world, bot)
    world.control("POST", "/faults", kind="drop", call="answerPreCheckoutQuery", after=True)
    # Telegram had it the first time, so the repetition is "too late": done either way.
    assert bot.answer_pre_checkout_query(query_id, ok=True) is False
    assert wait()["status"] == "paid"


def checkout(
    world: World, bot: TelegramBot, payload: str | None = None
) -> tuple[str, Callable[[], dict[str, Any]]]:
    """Press Pay: the id of the pre-checkout, and a function that waits for the outcome."""
    # A payload of its own: the world is shared, and an older question may be its last update.
    payload = payload or secrets.token_hex(8)
    wait = world.pay_in_background(invoice(bot, payload=payload))
    found: list[str] = []

    def asked() -> bool:
        updates = world.control("GET", "/updates")["history"]
        questions = [u["pre_checkout_query"] for u in updates if "pre_checkout_query" in u]
        found.extend(q["id"] for q in questions if q["invoice_payload"] == payload)
        return bool(found)

    wait_until(asked)
    return found[0], wait


def test_a_hanging_telegram_is_given_up_well_within_the_ten_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A second stands for each attempt; the clock of the calls counts it in full.
    monkeypatch.setattr(telegram_bot, "URGENT", Haste(1.0, URGENT.last_start_seconds))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        accepted: list[socket.socket] = []
        pauses: list[float] = []

        def accept() -> None:
            for _ in range(3):
                accepted.append(silent.accept()[0])

        def passed() -> float:
            return sum(pauses) + len(accepted) * URGENT.attempt_seconds

        threading.Thread(target=accept, daemon=True).start()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        bot = TelegramBot(url, TOKEN, Clock(now=passed, sleep=pauses.append))
        with pytest.raises(TelegramError) as caught:
            bot.answer_pre_checkout_query("1", ok=True)
        assert caught.value.meaning is Meaning.TEMPORARY
        assert passed() <= 7
        assert len(accepted) == 2
        for connection in accepted:
            connection.close()


def test_a_refund_is_done_once_and_a_repetition_does_no_harm(
    world: World, bot: TelegramBot
) -> None:
    query_id, wait = checkout(world, bot, "a refund")
    bot.answer_pre_checkout_query(query_id, ok=True)
    charge = wait()["telegram_payment_charge_id"]
    world.control("POST", "/faults", kind="drop", call="refundStarPayment", after=True)
    assert bot.refund_star_payment(PAYER, charge) is False
    assert bot.refund_star_payment(PAYER, charge) is False
    rows = [row for row in star_transactions_since(bot, LONG_AGO) if row.charge_id == charge]
    assert [(row.incoming, row.amount, row.user_id) for row in rows] == [
        (True, 150, PAYER),
        (False, 150, PAYER),
    ]
    assert rows[0].payload == "a refund"


def test_a_refused_invoice_says_why(bot: TelegramBot, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(TelegramError) as caught:
        invoice(bot, amount=0)
    assert caught.value.meaning is Meaning.REJECTED
    assert "CURRENCY_TOTAL_AMOUNT_INVALID" in caught.value.description
    with pytest.raises(TelegramError) as caught:
        invoice(bot, currency="RUB", provider_token="wrong")
    assert caught.value.meaning is Meaning.CONFIGURATION


LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class History(TelegramBot):
    """A bot with `count` transactions, one a minute, that counts how often it is asked."""

    def __init__(self, count: int) -> None:
        self.rows = [
            StarTransaction(str(n), 1, True, LONG_AGO + timedelta(minutes=n), None, None)
            for n in range(count)
        ]
        self.asked = 0

    def get_star_transactions(self, offset: int, limit: int = 100) -> tuple[StarTransaction, ...]:
        self.asked += 1
        return tuple(self.rows[offset : offset + limit])


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 200, 250, 1000, 25_600])
@pytest.mark.parametrize("back", [0, 1, 5, 150])
def test_recent_star_transactions_are_found_without_reading_all(count: int, back: int) -> None:
    history = History(count)
    moment = LONG_AGO + timedelta(minutes=max(count - back, 0))
    found = list(star_transactions_since(history, moment))
    assert found == history.rows[max(count - back, 0) :]
    assert history.asked <= 26


@pytest.mark.parametrize("kind", ["drop", "html", "status"])
def test_the_token_is_in_no_log_line_and_no_traceback(
    world: World, bot: TelegramBot, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world.control("POST", "/faults", kind=kind, call="getChat", times=3)
    caplog.clear()
    with pytest.raises(TelegramError) as caught:
        bot.get_chat(GROUP)
    shown = "".join(traceback.format_exception(caught.value))
    lines = [r for r in caplog.records if r.name != "werkzeug"]  # the sandbox's own access log
    if kind != "drop":  # without an answer urllib3 writes no path
        assert any("/bot***" in record.getMessage() for record in lines)
    for record in lines:
        shown += logging.Formatter().format(record)
    assert TOKEN not in shown and TOKEN.partition(":")[2] not in shown


def test_the_token_is_not_shown_when_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    bot = TelegramBot(f"http://127.0.0.1:{port}", TOKEN, Hand().clock())
    with pytest.raises(TelegramError) as caught:
        bot.get_chat(GROUP)
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert TOKEN.partition(":")[2] not in shown
