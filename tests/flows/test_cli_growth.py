"""The operator's commands about lotteries, reviews and channels, and their output."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from db import transaction
from db.models import Lottery, LotteryEntry, Review
from db.types import now
from services import draws, lotteries
from tests.command_line import CommandLine, command_line, say
from tests.growth_world import LOST_CHANNEL, REVIEW_BONUS, Growth
from tests.live import done, refused
from tests.telegram_world import GROUP
from tests.wire import ROOT

SUBMIT = "/lotteries/entries/submit-social"
NOBODY = str(uuid4())


@pytest.fixture(scope="module")
def terminal(growth_server: Growth) -> Iterator[CommandLine]:
    with command_line(**growth_server.environ) as opened:
        yield opened


@pytest.fixture
def cli(growth: Growth, terminal: CommandLine) -> CommandLine:
    """The operator's terminal, beside the server of `growth`."""
    return terminal


def create(cli: CommandLine, title: str = "Зимний розыгрыш", *more: str) -> str:
    """Create a lottery of today and tomorrow; its id."""
    start, end = (now() + timedelta(days=days) for days in (-1, 1))
    terms = ("--description", "Зовите друзей", "--start", start.isoformat())
    prizes = ("--prize", "1x50.5x50 токенов", "--prize", "2х0х Фотокнига")  # a Russian x
    output = say(cli, "lottery", "create", title, *terms, "--end", end.isoformat(), *prizes, *more)
    lottery_id, seed_hash = re.fullmatch(r"(\S{36})  seed hash (\w{64})", output).groups()
    with transaction() as session:
        seed = lotteries.get(session, UUID(lottery_id)).seed
    assert hashlib.sha256(seed.encode()).hexdigest() == seed_hash
    return str(lottery_id)


def end(lottery_id: str) -> None:
    """Let the lottery be over for a month."""
    over = now() - timedelta(days=30)
    with transaction() as session:
        period = {"start_date": over - timedelta(hours=2), "end_date": over}
        session.execute(update(Lottery).where(Lottery.id == lottery_id).values(**period))


def test_a_lottery_is_run_by_commands(growth: Growth, cli: CommandLine) -> None:
    lottery_id = create(cli)
    assert done(growth.bot.get("/lotteries/current"), 200)["prizes"] == [
        {"title": "50 токенов", "count": 1, "tokens": 50.5},
        {"title": "Фотокнига", "count": 2, "tokens": 0},
    ]
    assert say(cli, "lottery", "edit", lottery_id, "--title", "Весенний") == "changed"
    assert done(growth.bot.get("/lotteries/current"), 200)["title"] == "Весенний"
    assert cli.run("lottery", "verify", lottery_id)[:2] == (1, "this lottery has not been drawn")
    assert "has not been drawn" in complaint(cli, "lottery", "winners", lottery_id)[1]
    assert "still secret" in complaint(cli, "lottery", "entries", lottery_id)[1]
    for _ in range(4):
        wish = {"userId": growth.visitor()["id"], "socialLinks": ["https://vk.com/wall-1_1"]}
        done(growth.bot.post(SUBMIT, wish), 200)

    assert say(cli, "lottery", "draw") == "nothing to draw"
    end(lottery_id)
    assert "to be drawn" in line_of(cli, lottery_id)
    assert say(cli, "lottery", "draw") == f"{lottery_id} is drawn"
    assert "drawn" in line_of(cli, lottery_id)
    again = say(cli, "lottery", "draw", "--again", lottery_id, "--place", "3", "--reason", "отказ")
    assert re.fullmatch(r"place 3, round 2: entry \S{36}", again)
    assert say(cli, "lottery", "verify", lottery_id) == "seed, entries and winners add up"
    head, *won = say(cli, "lottery", "winners", lottery_id).splitlines()
    assert head.split()[:3] == ["place", "round", "prize"]
    assert [line.split()[:2] for line in won] == [["1", "1"], ["2", "1"], ["3", "1"], ["3", "2"]]
    assert won[3].endswith("отказ") and "visitor_of_growth" in won[3]
    for forbidden in (("close",), ("edit", "--title", "?")):
        code, said = complaint(cli, "lottery", forbidden[0], lottery_id, *forbidden[1:])
        assert (code, said) == (1, "error: this lottery has been drawn")

    with transaction() as session:
        entry = session.scalar(select(LotteryEntry).where(LotteryEntry.lottery_id == lottery_id))
        entry.referral_count += 1
    code, said, _ = cli.run("lottery", "verify", lottery_id)
    assert code == 1 and "the entries are not those that were drawn from" in said


def test_a_lottery_is_closed_without_a_draw_once(growth: Growth, cli: CommandLine) -> None:
    lottery_id = create(cli, "Лишний")
    assert "running" in line_of(cli, lottery_id)
    assert say(cli, "lottery", "close", lottery_id) == "closed without a draw"
    refused(growth.bot.get("/lotteries/current"), "no_current_lottery")
    assert "closed" in line_of(cli, lottery_id)
    refusal = complaint(cli, "lottery", "close", lottery_id)
    assert refusal == (1, "error: this lottery has been closed")
    with transaction() as session:
        assert draws.draw_due(session, now=now() + timedelta(days=2)) is None


def line_of(cli: CommandLine, lottery_id: str) -> str:
    """The lottery in the operator's list."""
    lines = say(cli, "lottery", "list").splitlines()
    return next(line for line in lines if line.startswith(lottery_id))


def test_reviews_are_listed_approved_and_rejected(growth: Growth, cli: CommandLine) -> None:
    author, hidden, spammer = (growth.visitor() for _ in range(3))
    anonymous = growth.write(hidden, written_as="anonymous")
    for update_ in (growth.write(author), anonymous, growth.write(spammer)):
        done(growth.forward(update_), 200)
    newest = say(cli, "reviews", "list", "--state", "seen", "--limit", "3").splitlines()
    assert newest[0].split()[:4] == ["review", "chat", "message", "author"]
    assert newest[0].split()[4:] == ["state", "user", "posted", "length", "note"]
    spam, nameless, signed = (line.split() for line in newest[1:])
    assert (signed[1], signed[3]) == (str(GROUP), author["telegramId"])
    assert nameless[2:4] == [str(anonymous["message"]["message_id"]), "seen"]

    assert say(cli, "reviews", "approve", nameless[0], hidden["telegramId"]) == "rewarded"
    assert growth.bot.balance(hidden["id"]) == REVIEW_BONUS
    again = say(cli, "reviews", "approve", nameless[0], hidden["id"])
    assert again == "this user has already been rewarded"
    code, said = complaint(cli, "reviews", "approve", nameless[0], author["id"])
    assert code == 1 and said.startswith("error: review_already_used")
    code, said = complaint(cli, "reviews", "reject", nameless[0], "--note", "поздно")
    assert (code, said) == (1, "error: there is no such review, or it has been rewarded")

    assert say(cli, "reviews", "reject", spam[0], "--note", "реклама") == "rejected"
    assert done(growth.check_review(spammer), 200)["found"] is False
    code, said = complaint(cli, "reviews", "approve", spam[0], spammer["id"])
    assert (code, said) == (1, "error: there is no such review, or it has been rejected")
    with transaction() as session:
        assert session.get(Review, spam[0]).note == "реклама"


def test_channels_are_listed_with_what_they_gave(growth: Growth, cli: CommandLine) -> None:
    def given() -> dict[str, int]:
        lines = say(cli, "channels", "list").splitlines()
        assert lines[0].split(maxsplit=1) == ["channel", "bonuses given"]
        return {name: int(number) for name, number in map(str.split, lines[1:])}

    before = given()
    assert list(before) == ["@live_photo", "@second_channel", f"@{LOST_CHANNEL}"]
    user = growth.visitor()
    growth.join(user)
    done(growth.check_channel(user), 200)
    assert given() == before | {"@live_photo": before["@live_photo"] + 1}


def complaint(cli: CommandLine, *arguments: str) -> tuple[int, str]:
    """Run a command that must fail; exit code and error."""
    code, _, said = cli.run(*arguments)
    assert code != 0
    return code, said


def lottery_with(**changes: str) -> tuple[str, ...]:
    """`lottery create` of the far future with some options changed."""
    terms = {"description": "d", "start": "2090-01-01", "end": "2090-01-02", "prize": "1x1x1"}
    options = [part for name, value in (terms | changes).items() for part in (f"--{name}", value)]
    return ("lottery", "create", "T", *options)


BAD: list[tuple[tuple[str, ...], int, str]] = [
    *(
        (lottery_with(prize=prize), 2, "--prize")
        for prize in ("three", "1x5", "0x5xT", "-1x5xT", "1x-5xT", "1x5x ", "1xNaNxT", "1xInfxT")
    ),
    *((lottery_with(prize=prize), 2, "9999999.99") for prize in ("1x0.001xT", "1x1e9xT")),
    (lottery_with(prize="1001x1xT"), 1, "at most 1000 prizes"),
    (lottery_with(start="tomorrow"), 2, "'tomorrow' is not a time such as"),
    (lottery_with(start="0001-01-01T00:00+14:00"), 2, "is not in the years 2000 to 2999"),
    (lottery_with(end="2020-01-01"), 2, "is in the past"),
    (lottery_with(end="2090-01-01"), 1, "the end must come after the start"),
    (lottery_with(start="2090-01-03"), 1, "the end must come after the start"),
    (lottery_with(description=" "), 2, "is blank"),
    (("lottery", "create"), 2, "TITLE"),
    (("lottery", "edit", NOBODY), 2, "say what to change"),
    (("lottery", "edit", NOBODY, "--title", "T"), 1, "no such lottery"),
    (("lottery", "edit", NOBODY, "--end", "2020-01-01"), 2, "is in the past"),
    (("lottery", "list", "--limit", "-1"), 2, "1<=x<=1000"),
    *(((("lottery", command, NOBODY)), 1, "no such lottery") for command in ("close", "verify")),
    (("lottery", "winners", NOBODY), 1, "there is no such lottery"),
    (("lottery", "entries", "first"), 2, "is not a valid UUID"),
    (("lottery", "draw", "--again", NOBODY), 2, "needs --place and --reason"),
    (
        ("lottery", "draw", "--again", NOBODY, "--place", "1", "--reason", "?"),
        1,
        "has not been drawn",
    ),
    (("reviews", "approve", NOBODY, NOBODY), 1, "user_not_found"),
    (("reviews", "reject", NOBODY, "--note", "?"), 1, "no such review"),
    (("reviews", "reject", NOBODY), 2, "--note"),
    (("reviews", "list", "--state", "lost"), 2, "'lost' is not one of"),
]


def test_a_mistake_is_told_in_one_line(cli: CommandLine) -> None:
    wrong: dict[Any, Any] = {}
    for arguments, code, reason in BAD:
        ended, said, complained = cli.run(*arguments)
        one_line = complained.startswith("error: ") and "\n" not in complained
        if (ended, said) != (code, "") or not one_line or reason not in complained:
            wrong[arguments] = (ended, said, complained)
    assert wrong == {}


def test_two_lotteries_do_not_overlap(cli: CommandLine) -> None:
    lottery_id = create(cli)
    code, said = complaint(cli, *lottery_with(start="2020-01-01", end="2090-01-01"))
    assert (code, said) == (1, "error: another lottery runs in this period")
    later = say(cli, *lottery_with()).split()[0]
    code, said = complaint(cli, "lottery", "edit", lottery_id, "--end", "2090-01-02")
    assert (code, said) == (1, "error: another lottery runs in this period")
    assert "to come" in line_of(cli, later)
    for each in (lottery_id, later):
        say(cli, "lottery", "close", each)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("channels", "list"), 0),
        (("lottery", "list", "--limit", "0"), 2),
        (("reviews", "reject", NOBODY, "--note", "?"), 1),
    ],
)
def test_a_process_from_scratch_says_the_same(
    growth: Growth, cli: CommandLine, arguments: tuple[str, ...], code: int
) -> None:
    ended = subprocess.run(
        [sys.executable, "cli.py", *arguments],
        cwd=ROOT,
        env={**os.environ, **growth.environ},
        capture_output=True,
        text=True,
        timeout=60,
    )
    answer = ended.returncode, ended.stdout.strip(), ended.stderr.strip()
    assert answer == cli.run(*arguments)
    assert answer[0] == code
