"""The operator sees what the bot has not got, sends it again, and tries the address."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from random import Random
from uuid import uuid4

import pytest

import settings
from db import reading, transaction
from db.rows import EventRow
from services import events, outbox
from tests import event_receiver
from tests.command_line import CommandLine, cells, command_line, complain, say
from tests.event_receiver import SECRET, Receiver, receiving
from tests.factories import make_user
from worker.sender import EventSender
from workflows import outbox as sending


@pytest.fixture(scope="module")
def bot(database: str) -> Iterator[Receiver]:
    with receiving() as bot, pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVENTS_URL", bot.url)
        patch.setenv("EVENTS_SECRETS", SECRET)
        settings.load.cache_clear()
        yield bot
    settings.load.cache_clear()
    assert bot.unproved == []


@pytest.fixture(scope="module")
def cli(bot: Receiver) -> Iterator[CommandLine]:
    with command_line() as opened:
        yield opened


def send() -> None:
    EventSender(sending.endpoint(), Random(1)).turn()


def newest() -> EventRow:
    with reading() as reader:
        return outbox.recent(reader, state=None, limit=1)[0]


def test_what_is_dead_is_seen_and_sent_again(cli: CommandLine, bot: Receiver) -> None:
    user = make_user()
    with transaction() as session:
        events.tell(session, user.id, events.bonus_granted("grant", Decimal(7)))
    (waiting,) = cells(say(cli, "outbox", "list", "--state", "pending").partition("\n\n")[2])
    assert waiting[2] == "bonus.granted"
    bot.answers = [event_receiver.status(410)]
    send()

    shown = say(cli, "outbox", "list")
    assert shown.startswith("dead: 1, the oldest from ")
    assert "read by the bot up to 0" in shown
    event_id = str(newest().id)
    output = say(cli, "outbox", "show", event_id)
    assert "Начислено токенов: 7." in output and "last_status: 410" in output
    assert "1 will be sent again" in say(cli, "outbox", "replay", "--dead")
    send()
    assert newest().state == "delivered"
    assert say(cli, "outbox", "replay", event_id) == "1 will be sent again"
    send()
    assert say(cli, "outbox", "replay", "--delivered", "--since", "2026-01-01") == (
        "1 will be sent again"
    )
    send()
    assert bot.ids == [event_id] * 4


def test_ping_says_whether_the_address_works(cli: CommandLine, bot: Receiver) -> None:
    assert say(cli, "outbox", "ping") == "delivered"
    bot.answers = [event_receiver.status(503, b"Down")]
    code, output, _ = cli.run("outbox", "ping")
    assert (code, output) == (1, "503: Down")
    with command_line(EVENTS_URL="") as silent:
        assert "EVENTS_URL" in complain(silent, "outbox", "ping", code=2)


def test_nonsense_is_refused(cli: CommandLine) -> None:
    assert "no such event" in complain(cli, "outbox", "show", str(uuid4()))
    assert "no such event" in complain(cli, "outbox", "replay", str(uuid4()))
    for arguments in ((), ("--delivered",), ("--dead", str(uuid4()))):
        complain(cli, "outbox", "replay", *arguments, code=2)
