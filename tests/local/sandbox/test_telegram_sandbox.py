"""The Telegram sandbox is true to the wire: python-telegram-bot cannot tell it from Telegram."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any, TypeVar

import pytest
import requests
import telegram
from telegram.error import BadRequest, Conflict, Forbidden, InvalidToken, NetworkError, RetryAfter
from telegram.request import HTTPXRequest

from local.sandbox.telegram import PROVIDER_TOKEN, TOKEN, TelegramSandbox
from providers.telegram import parse_update
from tests.telegram_world import CHANNEL, GROUP, LOG_CHAT, PAYER, World, telegram_world
from tests.wire import wait_until

T = TypeVar("T")

# PTB announces a change of RetryAfter's type that does not touch these tests.
pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")

PLAIN = {"verify": False}


def run(
    world: World,
    call: Callable[[telegram.Bot], Coroutine[Any, Any, T]],
    token: str = TOKEN,
    *,
    read_timeout: float = 60,
) -> T:
    """Drive the sandbox with a python-telegram-bot Bot of its own."""

    async def session() -> T:
        # Without TLS there are no certificates to load, which takes a tenth of a second.
        one, other = (
            HTTPXRequest(read_timeout=read_timeout, connect_timeout=60, httpx_kwargs=PLAIN)
            for _ in range(2)
        )
        base_url = f"{world.api}/bot"
        async with telegram.Bot(token, base_url, request=one, get_updates_request=other) as bot:
            return await call(bot)

    return asyncio.run(session())


@pytest.fixture
def world() -> Iterator[World]:
    with telegram_world() as opened:
        yield opened


class Receiver:
    """A webhook that keeps what it gets and answers from a script of statuses, then 200."""

    def __init__(self) -> None:
        self.got: list[tuple[float, str | None, dict[str, Any]]] = []
        self.statuses: list[int] = []
        self.reply: dict[str, Any] = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                secret = self.headers.get("X-Telegram-Bot-Api-Secret-Token")
                receiver.got.append((time.monotonic(), secret, body))
                status = receiver.statuses.pop(0) if receiver.statuses else 200
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(receiver.reply).encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def wait_for(self, count: int, seconds: float = 60) -> list[dict[str, Any]]:
        wait_until(lambda: len(self.got) >= count, seconds)
        return [body for _, _, body in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


def stars(link_title: str = "20 токенов", amount: int = 150, **more: Any) -> dict[str, Any]:
    prices = [telegram.LabeledPrice("Токены", amount)]
    return {
        "title": link_title,
        "description": "Пополнение",
        "payload": "8f0c",
        "currency": "XTR",
        "prices": prices,
    } | more


def test_a_wrong_token_and_a_malformed_one_are_refused_differently(world: World) -> None:
    assert requests.post(f"{world.api}/botnonsense/getMe", timeout=60).status_code == 404
    unknown = requests.post(f"{world.api}/bot99:{'x' * 35}/getMe", timeout=60)
    assert (unknown.status_code, unknown.json()["description"]) == (401, "Unauthorized")
    with pytest.raises(InvalidToken):
        run(world, lambda bot: bot.get_me(), token="99:" + "x" * 35)


def test_the_bot_is_told_who_it_is(world: World) -> None:
    me = run(world, lambda bot: bot.get_me())
    assert me.is_bot and str(me.id) == TOKEN.partition(":")[0]


@pytest.mark.parametrize(
    ("status", "row"),
    [
        ("creator", {}),
        ("administrator", {}),
        ("member", {}),
        ("restricted", {"is_member": True}),
        ("restricted", {"is_member": False}),
        ("left", {}),
        ("kicked", {}),
    ],
)
def test_every_membership_has_its_shape(world: World, status: str, row: dict[str, bool]) -> None:
    world.control("PUT", f"/chats/{CHANNEL}/members/{PAYER}", status=status, **row)
    member = run(world, lambda bot: bot.get_chat_member("@Live_Photo", PAYER))
    assert member.status == status and member.user.id == PAYER
    if row:
        assert isinstance(member, telegram.ChatMemberRestricted)
        assert member.is_member is row["is_member"]


@pytest.mark.parametrize(
    ("bot_status", "error", "text"),
    [
        ("member", BadRequest, "Member list is inaccessible"),
        ("left", Forbidden, "Forbidden: bot is not a member of the channel chat"),
        ("kicked", Forbidden, "Forbidden: bot was kicked from the channel chat"),
    ],
)
def test_a_bot_without_rights_may_not_look(
    world: World, bot_status: str, error: type[Exception], text: str
) -> None:
    world.control(
        "PUT", f"/chats/{CHANNEL}", type="channel", username="live_photo", bot_status=bot_status
    )
    with pytest.raises(error, match=text):
        run(world, lambda bot: bot.get_chat_member(CHANNEL, PAYER))


def test_strangers_and_unknown_chats_have_their_own_errors(world: World) -> None:
    world.control("PUT", "/users/7", refusal="PARTICIPANT_ID_INVALID")
    for chat, user, text in [
        ("@live_photo", 424242, "User not found"),
        ("@live_photo", 7, "Participant_id_invalid"),
        ("@live_photo", 0, "Invalid user_id specified"),
        ("@nobody", PAYER, "Chat not found"),
    ]:
        with pytest.raises(BadRequest, match=text):
            run(world, lambda bot, chat=chat, user=user: bot.get_chat_member(chat, user))


def test_a_migrated_group_names_its_successor(world: World) -> None:
    world.control("PUT", "/chats/-55", type="group", migrated_to=GROUP)
    with pytest.raises(telegram.error.ChatMigrated) as caught:
        run(world, lambda bot: bot.get_chat(-55))
    assert caught.value.new_chat_id == GROUP


def test_a_chat_shows_its_discussion_group(world: World) -> None:
    world.control(
        "PUT", f"/chats/{CHANNEL}", type="channel", username="live_photo", linked_chat_id=GROUP
    )
    assert run(world, lambda bot: bot.get_chat("@live_photo")).linked_chat_id == GROUP


def test_a_forward_tells_all_four_origins(world: World) -> None:
    world.control("PUT", "/users/8", first_name="Тайный", hides_forwards=True)
    posts: list[tuple[int, dict[str, Any], type[telegram.MessageOrigin]]] = [
        (GROUP, {"user_id": PAYER}, telegram.MessageOriginUser),
        (GROUP, {"user_id": 8}, telegram.MessageOriginHiddenUser),
        (GROUP, {"written_as": "anonymous"}, telegram.MessageOriginChat),
        (CHANNEL, {"author_signature": "Редактор"}, telegram.MessageOriginChannel),
    ]
    for chat_id, author, kind in posts:
        posted = world.control("POST", "/messages", chat_id=chat_id, text="Отзыв", **author)
        number = posted["message"]["message_id"]
        copy = run(
            world,
            lambda bot, chat=chat_id, number=number: bot.forward_message(LOG_CHAT, chat, number),
        )
        assert isinstance(copy.forward_origin, kind) and copy.text == "Отзыв"
        assert run(world, lambda bot, copy=copy: bot.delete_message(LOG_CHAT, copy.message_id))
        with pytest.raises(BadRequest, match="Message to delete not found"):
            run(world, lambda bot, copy=copy: bot.delete_message(LOG_CHAT, copy.message_id))


def test_what_cannot_be_forwarded_is_refused(world: World) -> None:
    protected = world.control(
        "POST", "/messages", chat_id=GROUP, user_id=PAYER, text="Тайна", protected=True
    )
    for number, text in [(protected["message"]["message_id"], "be forwarded"), (999, "not found")]:
        with pytest.raises(BadRequest, match=text):
            run(world, lambda bot, number=number: bot.forward_message(LOG_CHAT, GROUP, number))


@pytest.mark.parametrize(
    ("invoice", "code"),
    [
        (stars(prices=[telegram.LabeledPrice("a", 1), telegram.LabeledPrice("b", 1)]), "Stars_inv"),
        (stars(provider_token=PROVIDER_TOKEN), "Stars_invoice_invalid"),
        (stars(currency="RUB"), "Payment_provider_invalid"),
        (stars(currency="RUR", provider_token=PROVIDER_TOKEN), "Currency_invalid"),
        (stars(currency="RUB", provider_token=PROVIDER_TOKEN), "Currency_total_amount_invalid"),
        (stars(amount=0), "Currency_total_amount_invalid"),
        (stars(payload="я" * 65), "Invoice_payload_invalid"),
        (stars("т" * 33), "Title_invalid"),
        (stars(description="о" * 256), "Description_invalid"),
    ],
)
def test_a_bad_invoice_is_refused_with_the_servers_code(
    world: World, invoice: dict[str, Any], code: str
) -> None:
    with pytest.raises(BadRequest, match=code):
        run(world, lambda bot: bot.create_invoice_link(**invoice))


def test_a_link_is_paid_twice_by_different_people_through_pre_checkout(world: World) -> None:
    link = run(world, lambda bot: bot.create_invoice_link(**stars()))
    assert "150" in requests.get(link, timeout=60).text

    async def serve(bot: telegram.Bot, offset: int) -> tuple[telegram.Update, telegram.Update]:
        question = (await bot.get_updates(offset=offset, timeout=30))[0]
        assert question.pre_checkout_query is not None
        await bot.answer_pre_checkout_query(question.pre_checkout_query.id, ok=True)
        while not (rest := await bot.get_updates(offset=question.update_id + 1, timeout=30)):
            pass
        return question, rest[0]

    offset, charges = 0, set()
    for payer in (PAYER, 555002):
        wait = world.pay_in_background(link, payer)
        question, paid = run(world, lambda bot, offset=offset: serve(bot, offset))
        offset = paid.update_id + 1
        assert question.pre_checkout_query.from_user.id == payer
        payment = paid.message.successful_payment
        assert (payment.currency, payment.total_amount) == ("XTR", 150)
        assert payment.invoice_payload == payment.provider_payment_charge_id == "8f0c"
        assert wait()["telegram_payment_charge_id"] == payment.telegram_payment_charge_id
        charges.add(payment.telegram_payment_charge_id)
    ledger = run(world, lambda bot: bot.get_star_transactions()).transactions
    assert {t.id for t in ledger} == charges and len(charges) == 2
    assert ledger[0].source.invoice_payload == "8f0c" and ledger[0].source.user.id == PAYER


def test_an_update_forwarded_by_the_bot_reads_as_the_one_telegram_posted(world: World) -> None:
    link = run(world, lambda bot: bot.create_invoice_link(**stars()))
    wait = world.pay_in_background(link)
    question = run(world, lambda bot: bot.get_updates(timeout=30))[0].pre_checkout_query
    run(world, lambda bot: bot.answer_pre_checkout_query(question.id, ok=True))
    run(
        world,
        lambda bot: bot.refund_star_payment(PAYER, wait()["telegram_payment_charge_id"]),
    )
    authors = [{"user_id": PAYER}] + [
        {"written_as": kind} for kind in ("anonymous", "channel", "automatic")
    ]
    for author in authors:
        posted = world.control("POST", "/messages", chat_id=GROUP, text="Класс", **author)
    edit = {"chat_id": GROUP, "message_id": posted["message"]["message_id"], "text": "Нет"}
    world.control("PATCH", "/messages", **edit)
    world.control("POST", "/messages", chat_id=CHANNEL, text="Новость")

    as_posted = [parse_update(u) for u in world.control("GET", "/updates")["history"]]
    forwarded = [u.to_dict() for u in run(world, lambda bot: bot.get_updates())]
    as_forwarded = [parse_update(json.loads(json.dumps(update))) for update in forwarded]
    assert as_forwarded == as_posted
    assert [type(update).__name__ for update in as_posted] == [
        "PreCheckout",
        "SuccessfulPayment",
        "RefundedPayment",
        *["GroupMessage"] * 6,
    ]
    assert [u.author_id for u in as_posted[3:]] == [PAYER, None, None, None, None, None]


def test_a_refund_works_once_and_is_told_by_an_update(world: World, receiver: Receiver) -> None:
    receiver.reply = {}
    link = run(world, lambda bot: bot.create_invoice_link(**stars()))
    wait = world.pay_in_background(link)
    question = run(world, lambda bot: bot.get_updates(timeout=30))[0].pre_checkout_query
    run(world, lambda bot: bot.answer_pre_checkout_query(question.id, ok=True))
    charge = wait()["telegram_payment_charge_id"]

    assert run(world, lambda bot: bot.refund_star_payment(PAYER, charge))
    refunded = run(world, lambda bot: bot.get_updates(timeout=30))[-1].message.refunded_payment
    assert refunded.telegram_payment_charge_id == charge and refunded.total_amount == 150
    with pytest.raises(BadRequest, match="Charge_already_refunded"):
        run(world, lambda bot: bot.refund_star_payment(PAYER, charge))
    with pytest.raises(BadRequest, match="Charge_not_found"):
        run(world, lambda bot: bot.refund_star_payment(PAYER, "stx_other"))
    incoming, outgoing = run(world, lambda bot: bot.get_star_transactions()).transactions
    assert incoming.source and outgoing.receiver and incoming.id == outgoing.id == charge


def test_a_refused_pre_checkout_takes_no_money_and_a_second_answer_is_too_old(
    world: World,
) -> None:
    link = run(world, lambda bot: bot.create_invoice_link(**stars()))
    wait = world.pay_in_background(link)
    question = run(world, lambda bot: bot.get_updates(timeout=30))[0].pre_checkout_query
    run(
        world,
        lambda bot: bot.answer_pre_checkout_query(question.id, ok=False, error_message="Оплачено"),
    )
    assert wait() == {
        "status": "refused",
        "telegram_payment_charge_id": "",
        "error_message": "Оплачено",
    }
    with pytest.raises(BadRequest, match="Query is too old"):
        run(world, lambda bot: bot.answer_pre_checkout_query(question.id, ok=True))
    assert run(world, lambda bot: bot.get_star_transactions()).transactions == ()


def test_the_deadline_of_a_pre_checkout_is_ten_seconds_unless_turned(world: World) -> None:
    assert TelegramSandbox().invoices.pre_checkout_seconds == 10
    world.control("PUT", "/pre-checkout", seconds=0.2)
    link = run(world, lambda bot: bot.create_invoice_link(**stars()))
    before = time.monotonic()
    assert world.control("POST", "/pay", link=link, user_id=PAYER)["status"] == "timeout"
    assert 0.2 <= time.monotonic() - before < 8
    question = run(world, lambda bot: bot.get_updates())[0].pre_checkout_query
    with pytest.raises(BadRequest, match="Query is too old"):
        run(world, lambda bot: bot.answer_pre_checkout_query(question.id, ok=True))


def test_a_webhook_gets_updates_in_order_with_its_secret(world: World, receiver: Receiver) -> None:
    run(world, lambda bot: bot.set_webhook(receiver.url, secret_token="S-1"))
    receiver.statuses = [500]
    for text in ("раз", "два", "три"):
        world.control("POST", "/messages", chat_id=GROUP, user_id=PAYER, text=text)
    got = receiver.wait_for(4)
    assert [body["message"]["text"] for body in got] == ["раз", "раз", "два", "три"]
    assert {secret for _, secret, _ in receiver.got} == {"S-1"}
    with pytest.raises(Conflict):
        run(world, lambda bot: bot.get_updates())
    info = run(world, lambda bot: bot.get_webhook_info())
    assert info.url == receiver.url and "500" in (info.last_error_message or "")
    run(world, lambda bot: bot.delete_webhook())
    assert run(world, lambda bot: bot.get_updates()) == ()


def test_failed_deliveries_come_back_at_once_and_then_ever_later(
    world: World, receiver: Receiver
) -> None:
    run(world, lambda bot: bot.set_webhook(receiver.url))
    world.control("PUT", "/pace", retry_scale=1000)  # any pause would be one for ever
    receiver.statuses = [500]
    world.control("POST", "/messages", chat_id=CHANNEL, text="раз")
    assert len(receiver.wait_for(2)) == 2
    world.control("PUT", "/pace", retry_scale=0.05)
    receiver.statuses = [500, 502, 503, 500]
    world.control("POST", "/messages", chat_id=GROUP, user_id=PAYER, text="раз")
    receiver.wait_for(7)
    times = [at for at, _, _ in receiver.got[2:]]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert len(gaps) == 4
    # 2, 4 and 8 s, at a twentieth.
    assert gaps[1] >= 0.1 and gaps[2] >= 0.2 and gaps[3] >= 0.4


def test_a_slow_queue_does_not_hold_up_another(world: World, receiver: Receiver) -> None:
    run(world, lambda bot: bot.set_webhook(receiver.url))
    receiver.statuses = [500, 500]
    world.control("POST", "/messages", chat_id=GROUP, user_id=PAYER, text="застрял")
    receiver.wait_for(2)
    world.control("POST", "/messages", chat_id=CHANNEL, text="прошёл")
    assert receiver.wait_for(3)[2]["channel_post"]["text"] == "прошёл"


def test_a_reply_to_the_webhook_may_be_the_answer_to_pre_checkout(
    world: World, receiver: Receiver
) -> None:
    world.control("PUT", "/pre-checkout", seconds=60)
    link = run(world, lambda bot: bot.create_invoice_link(**stars()))
    wait = world.pay_in_background(link)
    question = run(world, lambda bot: bot.get_updates(timeout=30))[0].pre_checkout_query
    receiver.reply = {
        "method": "answerPreCheckoutQuery",
        "pre_checkout_query_id": question.id,
        "ok": True,
    }
    run(world, lambda bot: bot.set_webhook(receiver.url))
    assert wait()["status"] == "paid"


def test_copies_and_redelivery_repeat_the_very_same_update(
    world: World, receiver: Receiver
) -> None:
    run(world, lambda bot: bot.set_webhook(receiver.url))
    world.control("PUT", "/pace", copies=2)
    posted = world.control("POST", "/messages", chat_id=GROUP, user_id=PAYER, text="раз")
    receiver.wait_for(2)
    world.control("POST", f"/updates/{posted['update_id']}/redeliver")
    assert [body["update_id"] for body in receiver.wait_for(4)] == [posted["update_id"]] * 4


def test_only_allowed_updates_come_and_the_list_is_kept(world: World) -> None:
    run(world, lambda bot: bot.get_updates(allowed_updates=["pre_checkout_query"]))
    posted = world.control("POST", "/messages", chat_id=GROUP, user_id=PAYER, text="раз")
    assert posted["update_id"] is None
    run(world, lambda bot: bot.get_updates())
    assert run(world, lambda bot: bot.get_webhook_info()).allowed_updates == ("pre_checkout_query",)


def test_a_public_webhook_must_be_https_with_a_clean_secret(world: World) -> None:
    with pytest.raises(BadRequest, match="an https url"):
        run(world, lambda bot: bot.set_webhook("http://example.org/hook"))
    with pytest.raises(BadRequest, match="ports"):
        run(world, lambda bot: bot.set_webhook("https://example.org:444/hook"))
    with pytest.raises(BadRequest, match="Secret token"):
        run(world, lambda bot: bot.set_webhook("https://example.org/hook", secret_token="a b"))


def test_a_scripted_fault_applies_to_the_named_method_only(world: World) -> None:
    world.control("POST", "/faults", kind="status", status=429, call="getChat", retry_after=7)
    world.control("POST", "/faults", kind="html", call="getChat")
    world.control("POST", "/faults", kind="drop", call="getChat")
    world.control("POST", "/faults", kind="hang", call="getChat", seconds=3)
    assert run(world, lambda bot: bot.get_me())
    with pytest.raises(RetryAfter):
        run(world, lambda bot: bot.get_chat(GROUP))
    for kind in ("html", "drop", "hang"):
        with pytest.raises(NetworkError):
            run(world, lambda bot: bot.get_chat(GROUP), read_timeout=1 if kind == "hang" else 60)
    assert run(world, lambda bot: bot.get_chat(GROUP)).id == GROUP


def test_a_lost_answer_leaves_the_work_done(world: World) -> None:
    world.control("POST", "/faults", kind="drop", call="sendMessage", after=True)
    with pytest.raises(NetworkError):
        run(world, lambda bot: bot.send_message(GROUP, "Привет"))
    forwarded = run(world, lambda bot: bot.forward_message(LOG_CHAT, GROUP, 100))
    assert forwarded.text == "Привет"


def test_a_person_can_pay_on_the_page_behind_the_link(world: World) -> None:
    world.control("PUT", "/pre-checkout", seconds=0.1)
    link = run(world, lambda bot: bot.create_invoice_link(**stars("<b>20</b>")))
    page = requests.get(link, timeout=60).text
    assert "&lt;b&gt;20" in page and "150 ⭐" in page
    answer = requests.post(link, data={"user_id": PAYER}, timeout=60)
    assert "Бот не ответил вовремя" in answer.text
    assert requests.post(link, data={"user_id": "x"}, timeout=60).status_code == 400
    assert requests.get(link + "x", timeout=60).status_code == 404
