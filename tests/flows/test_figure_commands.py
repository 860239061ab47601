"""What an operator reads and proves in a terminal."""

from __future__ import annotations

import pytest

from db import reading
from db.types import now
from services import checks, days
from tests.busy_days import a_busy_day, execute
from tests.command_line import command_line, say

pytestmark = pytest.mark.usefixtures("no_rows")


def test_figures_are_rebuilt_shown_and_proved() -> None:
    a_busy_day()
    today = days.of(now())
    with command_line() as cli:
        rebuilt = say(cli, "figures", "rebuild", "--since", str(today))
        shown = say(cli, "figures", "show", "--days", "2")
        proved = say(cli, "figures", "check")
        books = say(cli, "ledger", "check")
        execute("UPDATE users SET balance_tokens = balance_tokens + 1")
        code, broken, _ = cli.run("ledger", "check")
    assert rebuilt == f"{today} to {today} computed"
    assert shown.splitlines()[1].split() == ["1", "stripe", "1", "200", "50", "150", "0"]
    assert [str(today), "3", "2", "1", "1"] in [line.split() for line in shown.splitlines()]
    assert "1 orders in 2 days: 150 rub revenue" in shown
    assert {line[:4] for line in (proved + "\n" + books).splitlines()} == {"ok  "}
    assert code == 1 and "FAIL balance is the sum of the moves" in broken
    with reading() as reader:
        assert [each.broken for each in checks.recent(reader, checks.LEDGER, limit=9)] == [2, 0]
