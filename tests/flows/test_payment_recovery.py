"""A database restored to an older moment, and the money that came after it: found and credited."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import requests
from sqlalchemy import select

from db import snapshot
from db.connections import direct_url
from db.models import Event, Payment
from db.types import now
from local.postgres import binaries
from settings.databases import plain
from tests import databases, forks
from tests.command_line import CommandLine, command_line, complain, say
from tests.live import done, refused, unchanged
from tests.payment_events import notification
from tests.provider_world import OPTIONS, TOKENS, ProviderWorld, books, provider_world
from workflows.payment_events import LOST_PER_MINUTE

Person = dict[str, Any]
LOGIN = (OPTIONS.yookassa_shop_id, OPTIONS.yookassa_secret_key)


@pytest.fixture(scope="module")
def open_till(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProviderWorld]:
    """Providers that know of no payments of other modules, whose rows are gone as well."""
    with provider_world(tmp_path_factory.mktemp("till")) as opened:
        yield opened


@pytest.fixture
def cli(till: ProviderWorld) -> Iterator[CommandLine]:
    with command_line(**till.environ) as terminal:
        yield terminal


@contextmanager
def forgotten(till: ProviderWorld, folder: Path) -> Iterator[None]:
    """What happens in the block is lost: the database is restored to how it was before."""
    dump = folder / "before.dump"
    _run("pg_dump", "--format=custom", f"--file={dump}")
    yield
    till.wait_for_delivery()
    databases.replace_by_nothing(direct_url())
    _run("pg_restore", "--no-owner", str(dump), to="--dbname=")
    till.server.reconnect()


def _run(program: str, *arguments: str, to: str = "") -> None:
    command = [str(binaries.find().bin / program), *arguments, to + plain(direct_url())]
    subprocess.run(command, check=True)


def recover(cli: CommandLine, since: str, *options: str) -> tuple[int, list[str], str]:
    """Exit code, the lines of the table, and how it ended in words."""
    code, output, complaint = cli.run("payments", "recover", "--since", since, *options)
    assert complaint == "", complaint
    *lines, ended = output.splitlines()
    return code, lines[1:], ended


def balances(till: ProviderWorld, people: list[Person]) -> list[float]:
    """What they can spend, each found by the Telegram account."""
    return [
        till.bot.balance(till.bot.register(telegramId=each["telegramId"])["id"]) for each in people
    ]


def paid_by_hand(till: ProviderWorld, rub: str, metadata: dict[str, str]) -> str:
    """A payment of the shop that this server did not open."""
    order = {
        "amount": {"value": rub, "currency": "RUB"},
        "capture": True,
        "confirmation": {"type": "redirect", "return_url": "https://t.me/a"},
        "metadata": metadata,
    }
    headers = {"Idempotence-Key": uuid4().hex}
    url = f"{till.sandbox.yookassa}/payments"
    made = done(requests.post(url, json=order, auth=LOGIN, headers=headers, timeout=30), 200)
    till.sandbox.control("POST", f"/yookassa/payments/{made['id']}/pay")
    return str(made["id"])


def metadata_of(till: ProviderWorld, intent: dict[str, Any]) -> dict[str, str]:
    """What YooKassa keeps of a payment."""
    url = f"{till.sandbox.yookassa}/payments/{intent['reference']}"
    kept: dict[str, str] = done(requests.get(url, auth=LOGIN, timeout=30), 200)["metadata"]
    return kept


def redeliver(till: ProviderWorld, provider: str, kind: str, reference: str) -> None:
    """The provider reports once more, as when our answer was lost."""
    (number,) = (
        each["number"]
        for each in till.sandbox.control("GET", f"/{provider}/events")
        if each["kind"] == kind and reference in each["body"]
    )
    till.sandbox.control("POST", f"/{provider}/events/{number}/redeliver")


def last_read(till: ProviderWorld) -> int:
    """The sequence of the newest event that the bot has handled."""
    sequence: int = done(till.bot.get("/events", after=0, limit=100), 200)[-1]["sequence"]
    return sequence


def event_types(user_id: str) -> list[str]:
    """The types of the events about this person that the bot gets."""
    with snapshot() as session:
        return list(session.scalars(select(Event.type).where(Event.user_id == UUID(user_id))))


def test_all_money_that_came_after_the_moment_is_credited_once(
    till: ProviderWorld, cli: CommandLine, tmp_path: Path
) -> None:
    inviter = till.customer()
    friend, regular, banned, refunded = (
        till.customer(refCode=inviter["refCode"]),
        till.customer(),
        till.customer(),
        till.customer(),
    )
    waiting = till.intent(regular, "stripe")
    old = till.buy(refunded, "stripe")
    since = (now() + timedelta(minutes=1)).isoformat()  # our clock is ahead of the providers'
    with forgotten(till, tmp_path):
        bought = {by: till.buy(friend, by) for by in ("yookassa", "stripe", "telegram")}
        till.buy(regular, "yookassa", plan="start", amountRub=199)
        till.pay(regular, waiting)
        till.wait_for(waiting, "succeeded")
        till.buy(banned, "telegram", plan="family", amountRub=499)
        till.dashboard_refund(old)
        newcomer, returning = till.customer(), till.customer(username="came_back")
        for by in ("yookassa", "telegram"):
            till.buy(newcomer, by)
        half = till.buy(returning, "stripe")
        till.dashboard_refund(half, 10000)
        for intent, status in ((old, "refunded"), (half, "partly_refunded")):
            till.wait_for(intent, status)
        everybody = [inviter, friend, regular, banned, refunded, newcomer, returning]
        held = balances(till, everybody)
        last = last_read(till)
        assert held[1:] == [60, 40, 60, 0, 40, 10] and held[0] > 0
    assert balances(till, everybody[:5]) == [0, 0, 0, 0, TOKENS]
    till.bot.register(telegramId=returning["telegramId"])  # anew, with another id
    say(cli, "user", "ban", banned["id"], "--reason", "-")

    late = (now() + timedelta(days=1)).isoformat()
    assert "still to come" in complain(cli, "payments", "recover", "--since", late, code=2)
    with unchanged():
        code, planned, ended = recover(cli, since, "--dry-run")
    assert (code, ended) == (0, "nothing was changed: 10 settled, 0 wait"), planned
    _kill_in_the_middle(till, since)
    with ThreadPoolExecutor(3) as pool, _terminals(till) as terminals:
        runs = list(pool.map(lambda terminal: recover(terminal, since), terminals))
    assert [code for code, _, _ in runs] == [0, 0, 0]
    assert balances(till, everybody) == held
    assert till.bot.register(telegramId=newcomer["telegramId"])["id"] == newcomer["id"]
    assert {till.payment(intent).status for intent in bought.values()} == {"succeeded"}
    assert till.payment(half).refunded_tokens == 10
    assert event_types(friend["id"]).count("payment.succeeded") == 3
    news = done(till.bot.get("/events", after=last, limit=100), 200)
    paid = [each["payment"]["id"] for each in news if each["type"] == "payment.succeeded"]
    assert {intent["id"] for intent in bought.values()} <= set(paid) and len(set(paid)) == len(paid)
    assert recover(cli, since) == (0, [], "0 settled, 0 wait")
    assert books() == {}


def _kill_in_the_middle(till: ProviderWorld, since: str) -> None:
    till.sandbox.inject_fault("stripe", "hang", call="list_sessions", seconds=60)
    command = forks.fork(
        ["cli.py", "payments", "recover", "--since", since],
        environ={**os.environ, **till.environ},
        output=Path(os.devnull),
    )
    till.sandbox.wait_for_hanging("stripe")
    command.send_signal(signal.SIGKILL)
    command.wait(60)
    till.sandbox.clear_faults("stripe")
    with snapshot() as session:
        found = session.scalars(select(Payment.provider).where(Payment.status == "succeeded"))
        assert "yookassa" in set(found)


@contextmanager
def _terminals(till: ProviderWorld) -> Iterator[list[CommandLine]]:
    opened = [command_line(**till.environ) for _ in range(3)]
    with opened[0] as first, opened[1] as second, opened[2] as third:
        yield [first, second, third]


def test_what_cannot_be_decided_waits_for_the_operator(
    till: ProviderWorld, cli: CommandLine, tmp_path: Path
) -> None:
    person, gone = till.customer(), till.customer()
    since = now().isoformat()
    with forgotten(till, tmp_path):
        kept = metadata_of(till, till.buy(person, "yookassa", plan="start", amountRub=199))
        told_late = till.buy(person, "stripe", plan="start", amountRub=199)
        erased = till.buy(gone, "yookassa")
        told_again = {by: till.buy(person, by) for by in ("yookassa", "stripe")}
        forged = {
            "more tokens than that buys": kept | {"tokens": "20000", "payment_id": str(uuid4())},
            "less money than was asked": kept | {"payment_id": str(uuid4())},
            "of an earlier version": {"payment_id": str(uuid4())},
            "of another bot": kept | {"service": "https://t.me/b", "payment_id": str(uuid4())},
        }
        amounts = dict.fromkeys(forged, "199.00") | {"less money than was asked": "1.00"}
        foreign = {why: paid_by_hand(till, amounts[why], it) for why, it in forged.items()}
    say(cli, "user", "erase", gone["id"], "--reason", "-", "--yes")

    # What the provider still reports is not lost meanwhile, and needs no operator.
    redeliver(till, "yookassa", "payment.succeeded", told_again["yookassa"]["reference"])
    redeliver(till, "stripe", "checkout.session.completed", told_again["stripe"]["reference"])
    assert till.bot.balance(person["id"]) == 2 * TOKENS
    say(cli, "tariffs", "edit", "start", "--tokens", "25")
    redeliver(till, "stripe", "checkout.session.completed", told_late["reference"])
    assert till.bot.balance(person["id"]) == 2 * TOKENS
    say(cli, "tariffs", "edit", "start", "--tokens", "20")

    for _ in range(2):
        code, lines, ended = recover(cli, since)
        waits = {line.split("  ")[-1].strip(): line for line in lines if line.startswith("WAITS")}
        assert code == 1 and ended.endswith(" 4 wait")
        for why, reason in (
            ("more tokens than that buys", "terms_changed"),
            ("less money than was asked", "amount_mismatch"),
            ("of an earlier version", "unknown_reference"),
        ):
            assert foreign[why] in waits[reason]
        assert erased["reference"] in waits["erased_user"]
        assert any("left alone: 1 payments of https://t.me/b" in line for line in lines)
        assert till.bot.balance(person["id"]) == 4 * TOKENS
    state = {row[1]: row[3] for row in _events(cli) if row[2] == "checkout.session.completed"}
    assert "parked" not in state.values()
    for row in _events(cli, "--state", "parked"):
        say(cli, "events", "dismiss", row[0], "--reason", "refunded in the dashboard")
    code, lines, ended = recover(cli, since)
    assert (code, ended) == (0, "0 settled, 0 wait")
    assert books() == {}


def _events(cli: CommandLine, *options: str) -> list[list[str]]:
    return [line.split() for line in say(cli, "events", "list", *options).splitlines()[1:]]


def test_a_stranger_makes_us_ask_about_lost_payments_a_few_times_a_minute(
    till: ProviderWorld,
) -> None:
    asked = till.sandbox.calls("GET /yookassa/v3/payments/")
    answers = []
    with unchanged():
        for number in range(LOST_PER_MINUTE + 5):
            nobodys = f"{number:08x}-000f-5000-8000-{uuid4().hex[:12]}"
            lie = notification(nobodys, metadata={"payment_id": str(uuid4())})
            answers.append(till.webhook("yookassa", lie))
    refused(answers[-1], "rate_limited")
    assert till.sandbox.calls("GET /yookassa/v3/payments/") - asked <= LOST_PER_MINUTE


def test_a_provider_that_does_not_answer_leaves_the_others_and_the_exit_code_tells(
    till: ProviderWorld, cli: CommandLine
) -> None:
    user = till.customer()
    till.deliver_webhooks(False)
    intent = till.intent(user, "stripe")
    since = now().isoformat()
    till.pay(user, intent)
    till.sandbox.inject_fault("yookassa", "html", call="list_payments", times=9)
    code, lines, _ = recover(cli, since)
    assert code == 1
    assert any("could not be asked: yookassa list_payments: 502" in line for line in lines)
    assert till.bot.balance(user["id"]) == TOKENS
    till.sandbox.clear_faults("yookassa")
    with command_line(**till.environ | {"STRIPE_SECRET_KEY": ""}) as without_its_key:
        code, lines, _ = recover(without_its_key, since)
    assert code == 1
    assert any("stripe" in line and "it is not connected" in line for line in lines)
