"""Invoices in Telegram: what is asked, what is believed, and that each fact has one name."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import pytest

from errors import ApiError
from local.sandbox.telegram import PROVIDER_TOKEN, TOKEN
from providers.failures import (
    ProviderMisconfigured,
    ProviderRejected,
    ProviderUnavailable,
    SignatureInvalid,
)
from providers.payments import (
    AnsweringGateway,
    CheckoutRequest,
    Event,
    Hint,
    Metadata,
    Notice,
    Outcome,
    PaymentRef,
    Question,
)
from providers.payments.metadata import payment_of, read_payload
from providers.payments.telegram import TelegramGateway
from providers.telegram import Clock, TelegramBot
from tests.telegram_world import PAYER, World, telegram_world

PAYMENT_ID = UUID("8f0c2b1e-0000-4000-8000-000000000001")
OLD, NEW = "old-secret-0123456789", "new-secret-0123456789"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ORDER = CheckoutRequest(
    payment_id=PAYMENT_ID,
    user_id=UUID("51aa2b1e-0000-4000-8000-000000000002"),
    amount=Decimal("199.00"),
    tokens=Decimal(20),
    currency="RUB",
    title="20 токенов",
    description="Пополнение баланса",
    return_url="https://t.me/example_bot",
    payer_telegram_id=str(PAYER),
)


@pytest.fixture
def world() -> Iterator[World]:
    with telegram_world() as opened:
        yield opened


def gateway_of(world: World, **more: Any) -> TelegramGateway:
    settings: dict[str, Any] = {"secrets": (OLD, NEW), "currency": "XTR"}
    settings |= {"rub_per_star": Decimal("1.2")} | more
    bot = TelegramBot(world.api, TOKEN, Clock(sleep=lambda _: None))
    return TelegramGateway(bot, **settings)


@pytest.fixture
def gateway(world: World) -> TelegramGateway:
    return gateway_of(world)


def ref(**more: Any) -> PaymentRef:
    known = PaymentRef(
        payment_id=PAYMENT_ID,
        reference=str(PAYMENT_ID),
        charge_reference=None,
        asked_minor=166,
        asked_currency="XTR",
        payer_telegram_id=str(PAYER),
        created_at=datetime.now(UTC),
    )
    return replace(known, **more)


class Webhook:
    """Records Telegram's raw requests, so that a test can pass them to the gateway."""

    def __init__(self, world: World) -> None:
        self.posted: queue.Queue[tuple[bytes, dict[str, str]]] = queue.Queue()
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                webhook.posted.put((raw, dict(self.headers)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{self.server.server_port}/"
        world.call_bot("setWebhook", url=url, secret_token=NEW)

    def event(self, gateway: TelegramGateway) -> Event | None:
        raw, headers = self.posted.get(timeout=60)
        return gateway.parse_event(raw, headers, client_ip="127.0.0.1", now=NOW)


@pytest.fixture
def webhook(world: World) -> Iterator[Webhook]:
    webhook = Webhook(world)
    yield webhook
    webhook.server.shutdown()
    webhook.server.server_close()


def paid(world: World, gateway: TelegramGateway, webhook: Webhook) -> Notice:
    """The order, paid through pre-checkout, as the webhook tells it."""
    link = gateway.create_checkout(ORDER).url
    wait = world.pay_in_background(link)
    question = webhook.event(gateway)
    assert isinstance(question, Question)
    assert gateway.answer(question, None)
    assert wait()["status"] == "paid"
    notice = webhook.event(gateway)
    assert isinstance(notice, Notice)
    return notice


def test_it_has_the_shape_of_a_gateway_that_answers(gateway: TelegramGateway) -> None:
    assert isinstance(gateway, AnsweringGateway) and gateway.provider == "telegram"


@pytest.mark.parametrize(
    ("rub", "rate", "stars"),
    [
        ("199.00", "1.2", 166),
        ("12.00", "1.2", 10),
        ("12.01", "1.2", 11),
        ("0.01", "1.2", 1),
        ("100", "3", 34),
        ("100000", "1.2", 83334),
    ],
)
def test_a_price_becomes_whole_stars_rounded_up(
    world: World, rub: str, rate: str, stars: int
) -> None:
    gateway = gateway_of(world, rub_per_star=Decimal(rate))
    checkout = gateway.create_checkout(replace(ORDER, amount=Decimal(rub)))
    assert (checkout.asked_minor, checkout.asked_currency) == (stars, "XTR")
    assert checkout.reference == str(PAYMENT_ID) and checkout.expires_at is None
    assert checkout.url.startswith(f"{world.api}/invoice/")


def test_rubles_are_asked_in_kopecks_through_the_provider_token(world: World) -> None:
    gateway = gateway_of(world, currency="RUB", provider_token=PROVIDER_TOKEN)
    checkout = gateway.create_checkout(ORDER)
    assert (checkout.asked_minor, checkout.asked_currency) == (19900, "RUB")


def test_stars_need_no_provider_token_and_are_not_given_one(world: World) -> None:
    gateway = gateway_of(world, provider_token=PROVIDER_TOKEN)
    assert gateway.create_checkout(ORDER).asked_currency == "XTR"


def test_long_and_empty_words_fit_telegrams_limits(gateway: TelegramGateway) -> None:
    long = replace(ORDER, title="Очень длинное название " * 5, description="о" * 900)
    assert gateway.create_checkout(long).url
    assert gateway.create_checkout(replace(ORDER, description="")).url


def test_an_order_in_another_currency_is_a_mistake_of_ours(gateway: TelegramGateway) -> None:
    with pytest.raises(ValueError, match="RUB"):
        gateway.create_checkout(replace(ORDER, currency="USD"))


def test_a_sum_telegram_refuses_is_rejected_for_good(world: World) -> None:
    gateway = gateway_of(world, currency="RUB", provider_token=PROVIDER_TOKEN)
    with pytest.raises(ProviderRejected) as caught:
        gateway.create_checkout(replace(ORDER, amount=Decimal("50")))
    assert caught.value.code == "provider_rejected"
    assert "CURRENCY_TOTAL_AMOUNT_INVALID" in caught.value.description


def test_a_wrong_provider_token_is_the_operators_to_fix(world: World) -> None:
    gateway = gateway_of(world, currency="RUB", provider_token="1:TEST:wrong")
    with pytest.raises(ProviderMisconfigured) as caught:
        gateway.create_checkout(ORDER)
    assert caught.value.status == 503


def test_a_flood_is_trouble_that_passes(world: World, gateway: TelegramGateway) -> None:
    world.control(
        "POST", "/faults", kind="status", status=429, call="createInvoiceLink", retry_after=40
    )
    with pytest.raises(ProviderUnavailable) as caught:
        gateway.create_checkout(ORDER)
    assert (caught.value.code, caught.value.headers["Retry-After"]) == (
        "provider_unavailable",
        "40",
    )


def test_a_lost_answer_gives_another_link_to_the_same_payment(
    world: World, gateway: TelegramGateway
) -> None:
    world.control("POST", "/faults", kind="drop", call="createInvoiceLink", after=True)
    assert gateway.create_checkout(ORDER).reference == str(PAYMENT_ID)


def test_a_question_tells_who_wants_to_pay_what(
    world: World, gateway: TelegramGateway, webhook: Webhook
) -> None:
    wait = world.pay_in_background(gateway.create_checkout(ORDER).url, user_id=777)
    question = webhook.event(gateway)
    assert isinstance(question, Question)
    assert question == Question(
        "telegram", question.query_id, PAYMENT_ID, 166, "XTR", payer_id="777"
    )
    assert gateway.answer(question, "Счёт выставлен другому человеку") is True
    assert wait()["error_message"] == "Счёт выставлен другому человеку"
    assert gateway.answer(question, None) is False


def test_an_unanswerable_question_is_trouble_that_passes(
    world: World, gateway: TelegramGateway
) -> None:
    world.control("POST", "/faults", kind="html", call="answerPreCheckoutQuery", times=3)
    with pytest.raises(ProviderUnavailable):
        gateway.answer(Question("telegram", "1", PAYMENT_ID, 1, "XTR", "1"), None)


def test_a_payment_is_told_with_its_charge_and_payer_and_nothing_personal(
    world: World, gateway: TelegramGateway, webhook: Webhook
) -> None:
    notice = paid(world, gateway, webhook)
    assert notice.outcome is Outcome.SUCCEEDED and notice.event_id == notice.charge_reference
    assert (notice.payment_id, notice.reference) == (PAYMENT_ID, str(PAYMENT_ID))
    assert (notice.amount_minor, notice.currency, notice.payer_id) == (166, "XTR", str(PAYER))
    assert notice.occurred_at is not None and notice.livemode is None
    assert "Анна" not in json.dumps(notice.as_json(), ensure_ascii=False)
    assert str(PAYER) not in json.dumps(dict(notice.raw))
    assert Notice.from_json(json.loads(json.dumps(notice.as_json()))) == notice


def test_reading_back_names_the_payment_as_the_webhook_does(
    world: World, gateway: TelegramGateway, webhook: Webhook
) -> None:
    assert gateway.read_back(ref()).outcome is Outcome.PENDING
    notice = paid(world, gateway, webhook)
    read = gateway.read_back(ref())
    names = ["event_id", "kind", "outcome", "payment_id", "reference", "charge_reference"]
    names += ["amount_minor", "currency", "payer_id", "refunded_minor"]
    assert [getattr(read, name) for name in names] == [getattr(notice, name) for name in names]
    assert gateway.read_back(ref(charge_reference=notice.charge_reference)) == read
    assert gateway.read_back(ref(charge_reference="stx_other")).outcome is Outcome.PENDING
    stranger = ref(payment_id=UUID(int=7), reference="7")
    assert gateway.read_back(stranger).outcome is Outcome.PENDING


def test_a_second_charge_of_one_link_is_found_by_its_own_id(
    world: World, gateway: TelegramGateway, webhook: Webhook
) -> None:
    first, second = paid(world, gateway, webhook), paid(world, gateway, webhook)
    assert first.charge_reference != second.charge_reference
    assert first.event_id != second.event_id and first.payment_id == second.payment_id
    repeated = ref(payment_id=UUID(int=9), charge_reference=second.charge_reference)
    assert gateway.read_back(repeated).charge_reference == second.charge_reference
    assert gateway.read_back(ref()).charge_reference == first.charge_reference


def test_all_stars_since_a_moment_are_listed_with_what_the_payload_keeps(
    world: World, gateway: TelegramGateway, webhook: Webhook
) -> None:
    start = datetime.now(UTC) - timedelta(minutes=1)
    first, second = paid(world, gateway, webhook), paid(world, gateway, webhook)
    charge = ref(charge_reference=second.charge_reference)
    gateway.refund(charge, amount_minor=166, key="r")
    listed = list(gateway.list_since(start))
    assert [each.event_id for each in listed] == [
        first.event_id,
        second.event_id,
        f"refund:{second.event_id}",
    ]
    for each in (first, second, *listed):
        assert each.metadata == replace_service(Metadata.of(ORDER, 166, "XTR"))
    assert not list(gateway.list_since(start + timedelta(hours=1)))


def replace_service(kept: Metadata) -> Metadata:
    """A payload has no room for a plan, and is of one bot."""
    return kept._replace(plan=None, service=None)


def test_what_has_no_room_in_a_payload_is_left_out() -> None:
    wide = Metadata.of(replace(ORDER, tariff_id=UUID(int=7)), 100_000, "XTR")
    assert len(wide.as_payload().encode()) <= 128
    assert read_payload(wide.as_payload()) == replace_service(wide)
    wider = wide._replace(telegram_id="a:b" * 10)
    assert wider.as_payload() == str(PAYMENT_ID)
    assert read_payload(wider.as_payload()) is None and payment_of(str(PAYMENT_ID)) == PAYMENT_ID
    for strange in ("", "sticker-pack", f"{wide.as_payload()}я", ":".join("1234567")):
        assert read_payload(strange) is None


def test_rubles_that_no_api_lists_are_not_passed_over_in_silence(world: World) -> None:
    rubles = gateway_of(world, currency="RUB", provider_token=PROVIDER_TOKEN)
    with pytest.raises(ProviderRejected, match="rubles cannot be listed"):
        list(rubles.list_since(NOW))


def test_a_refund_has_one_name_whoever_tells_of_it(
    world: World, gateway: TelegramGateway, webhook: Webhook
) -> None:
    notice = paid(world, gateway, webhook)
    payment = ref(charge_reference=notice.charge_reference)
    done = gateway.refund(payment, amount_minor=166, key="refund-1")
    forwarded = webhook.event(gateway)
    assert isinstance(forwarded, Notice)
    read, again = gateway.read_back(payment), gateway.refund(payment, amount_minor=166, key="r")
    assert {n.event_id for n in (done, forwarded, read, again)} == {f"refund:{notice.event_id}"}
    for each in (done, forwarded, read, again):
        assert each.outcome is Outcome.REFUNDED
        assert (each.refunded_minor, each.amount_minor) == (166, 166)
        assert each.charge_reference == each.refund_reference == notice.charge_reference


@pytest.mark.parametrize(
    ("payment", "amount"),
    [
        (ref(charge_reference="stx_1"), 165),
        (ref(), 166),
        (ref(charge_reference="stx_1", payer_telegram_id="anna"), 166),
        (ref(charge_reference="stx_unknown"), 166),
        (ref(charge_reference="1", asked_currency="RUB", asked_minor=19900), 19900),
    ],
)
def test_a_refund_telegram_cannot_make_is_rejected(
    gateway: TelegramGateway, payment: PaymentRef, amount: int
) -> None:
    with pytest.raises(ProviderRejected):
        gateway.refund(payment, amount_minor=amount, key="refund-1")


def test_a_part_of_a_charge_is_not_refunded_as_a_whole(
    world: World, gateway: TelegramGateway, webhook: Webhook
) -> None:
    payment = ref(charge_reference=paid(world, gateway, webhook).charge_reference)
    with pytest.raises(ProviderRejected, match="whole"):
        gateway.refund(payment, amount_minor=165, key="refund-1")
    assert gateway.read_back(payment).outcome is Outcome.SUCCEEDED


def test_closing_tells_expired_or_the_payment_that_came_first(
    world: World, gateway: TelegramGateway, webhook: Webhook
) -> None:
    closed = gateway.close(ref())
    assert (closed.outcome, closed.event_id) == (Outcome.EXPIRED, f"expired:{PAYMENT_ID}")
    paid(world, gateway, webhook)
    assert gateway.close(ref()).outcome is Outcome.SUCCEEDED


def test_rubles_cannot_be_read_back_or_refunded_and_telegram_is_not_asked(
    world: World, gateway: TelegramGateway
) -> None:
    world.control("POST", "/faults", kind="status", status=429, retry_after=60, times=99)
    payment = ref(asked_currency="RUB", asked_minor=19900, charge_reference="1")
    with pytest.raises(ProviderRejected, match="dashboard"):
        gateway.refund(payment, amount_minor=19900, key="refund-1")
    assert gateway.read_back(payment).outcome is Outcome.PENDING
    assert gateway.close(payment).outcome is Outcome.EXPIRED


def test_rubles_of_a_test_token_are_marked_as_test_money(world: World, webhook: Webhook) -> None:
    gateway = gateway_of(world, currency="RUB", provider_token=PROVIDER_TOKEN)
    notice = paid(world, gateway, webhook)
    assert (notice.currency, notice.amount_minor, notice.livemode) == ("RUB", 19900, False)


UPDATE = {
    "update_id": 900002,
    "message": {
        "message_id": 77,
        "date": 1764000000,
        "chat": {"id": PAYER, "type": "private"},
        "from": {"id": PAYER, "is_bot": False, "first_name": "A"},
        "successful_payment": {
            "currency": "XTR",
            "total_amount": 166,
            "invoice_payload": str(PAYMENT_ID),
            "telegram_payment_charge_id": "stx_1",
            "provider_payment_charge_id": "x",
        },
    },
}


def parse(gateway: TelegramGateway, body: Any, **headers: str) -> Event | None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return gateway.parse_event(raw, given, client_ip=None, now=NOW)


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_each_secret_of_a_rotation_opens_in_any_case_of_the_header(
    gateway: TelegramGateway, secret: str
) -> None:
    assert parse(gateway, UPDATE, X_Telegram_Bot_Api_Secret_Token=secret)
    assert parse(gateway, UPDATE, x_telegram_bot_api_secret_token=secret)


@pytest.mark.parametrize(
    "secret", ["", "wrong", NEW[:-1], NEW + "x", NEW.upper(), f"{OLD},{NEW}", "я"]
)
def test_a_wrong_secret_is_refused_before_the_body_is_read(
    gateway: TelegramGateway, secret: str
) -> None:
    with pytest.raises(SignatureInvalid) as caught:
        parse(gateway, b"not json", X_Telegram_Bot_Api_Secret_Token=secret)
    assert caught.value.status == 401
    with pytest.raises(SignatureInvalid):
        parse(gateway, b"not json")


@pytest.mark.parametrize("secrets", [(), ("",)])
def test_without_a_secret_set_nothing_is_believed(world: World, secrets: tuple[str, ...]) -> None:
    closed = gateway_of(world, secrets=secrets)
    for given in ("", "anything"):
        with pytest.raises(SignatureInvalid):
            parse(closed, UPDATE, X_Telegram_Bot_Api_Secret_Token=given)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, {"message": {}}])
def test_a_body_that_is_no_update_is_a_bad_request(gateway: TelegramGateway, body: Any) -> None:
    with pytest.raises(ApiError) as caught:
        parse(gateway, body, X_Telegram_Bot_Api_Secret_Token=NEW)
    assert caught.value.code == "bad_request"


def test_a_payment_for_something_else_names_no_payment_of_ours(gateway: TelegramGateway) -> None:
    other = json.loads(json.dumps(UPDATE).replace(str(PAYMENT_ID), "sticker-pack"))
    notice = parse(gateway, other, X_Telegram_Bot_Api_Secret_Token=NEW)
    assert isinstance(notice, Notice)
    assert (notice.payment_id, notice.reference) == (None, "sticker-pack")


def test_what_is_not_about_money_is_nothing_to_a_gateway(gateway: TelegramGateway) -> None:
    review = {"message_id": 1, "date": 1, "chat": {"id": -1, "type": "supergroup"}, "text": "Класс"}
    for body in ({"update_id": 1}, {"update_id": 1, "message": review}):
        assert parse(gateway, body, X_Telegram_Bot_Api_Secret_Token=NEW) is None


def test_a_hint_is_never_telegrams(gateway: TelegramGateway) -> None:
    with pytest.raises(SignatureInvalid):
        gateway.confirm(Hint("telegram", "x", "1", signed=False))


def test_a_payment_a_day_older_than_its_row_is_still_found(
    world: World, gateway: TelegramGateway, webhook: Webhook
) -> None:
    paid(world, gateway, webhook)
    late = ref(created_at=datetime.now(UTC) + timedelta(hours=23))
    assert gateway.read_back(late).outcome is Outcome.SUCCEEDED
    too_late = ref(created_at=datetime.now(UTC) + timedelta(hours=25))
    assert gateway.read_back(too_late).outcome is Outcome.PENDING
