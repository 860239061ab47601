"""What operators do is kept as it was, by page and by command; a command cannot forget it."""

from __future__ import annotations

import ast
import getpass
import re
from collections.abc import Iterator
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from console import texts
from db import transaction
from errors import ApiError
from services import audit
from services.audit import Entry
from tests.command_line import CommandLine, command_line, complain, say
from tests.console.browsing import acting, entries
from tests.factories import make_user
from tests.house.code import dotted, sources
from workflows.actions import announced, recorded

pytestmark = pytest.mark.usefixtures("no_rows")
SOURCES = sources()


@pytest.fixture
def cli(database: str) -> Iterator[CommandLine]:
    with command_line() as opened:
        yield opened


def test_a_command_is_entered_under_the_name_of_the_system_or_the_one_it_gives(
    cli: CommandLine,
) -> None:
    user = make_user(telegram_id="100200")
    grant = ("grant", "100200", "30", "--key", "k1", "--reason", "подарок")
    say(cli, *grant)
    say(cli, "--operator", "anna", *grant)
    complain(cli, "withdraw", "100200", "500", "--key", "k2", "--reason", "ошибка")
    first, second = entries("user.grant")
    assert (first.who, first.role) == (getpass.getuser(), "command")
    assert first.target == f"user:{user.id}"
    assert (first.reason, first.key, first.outcome) == ("подарок", "k1", "done")
    assert first.after == {"tokens": "30", "balance": "30"}
    assert second.who == "anna"
    assert entries("user.withdraw") == []


def test_operators_are_let_in_and_kept_out_by_commands(cli: CommandLine) -> None:
    link = say(cli, "operators", "add", "anna", "--role", "admin")
    assert re.fullmatch(r"http://127\.0\.0\.1:8001/join/[\w-]{43}", link)
    assert "already" in complain(cli, "operators", "add", "anna")
    assert "2 to 32" in complain(cli, "operators", "add", "Анна")
    assert say(cli, "operators", "reset", "anna", "--role", "viewer") != link
    say(cli, "operators", "disable", "anna")
    listed = say(cli, "operators", "list").splitlines()[1]
    assert listed.split()[:3] == ["anna", "viewer", "disabled"]
    assert "no operator" in complain(cli, "operators", "disable", "nobody")
    assert entries("operator.reset")[0].target == "operator:anna"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET who = 'nobody'",
        "DELETE FROM audit_entries",
        "TRUNCATE audit_entries",
    ],
)
def test_nobody_changes_or_deletes_an_entry(statement: str) -> None:
    with acting(), recorded(Entry("user.grant")):
        pass
    with pytest.raises(IntegrityError, match="append-only"), transaction() as session:
        session.execute(text(statement))
    assert len(entries("user.grant")) == 1


def test_an_action_that_fails_leaves_no_entry_and_one_at_a_provider_leaves_two() -> None:
    with acting(), pytest.raises(ValueError), recorded(Entry("tariff.edit")):
        raise ValueError("refused")
    with acting(), pytest.raises(ApiError), announced(Entry("payment.refund", "payment:1")):
        raise ApiError("payment_not_found")
    with acting(), announced(Entry("payment.check")) as entry:
        entry.note = "applied"
    assert entries("tariff.edit") == []
    assert [e.outcome for e in entries("payment.refund")] == ["begun", "failed"]
    assert [(e.outcome, e.note) for e in entries("payment.check")][1] == ("done", "applied")


def test_nobody_acts_unnamed() -> None:
    with pytest.raises(LookupError), recorded(Entry("user.grant")):
        pass


def test_an_amount_is_kept_as_it_was() -> None:
    with acting(), recorded(Entry("user.grant", after={"tokens": Decimal("0.10")})):
        pass
    assert entries("user.grant")[0].after == {"tokens": "0.10"}


def test_entries_are_found_by_person_action_target_and_page_by_page() -> None:
    for name in ("anna", "boris"):
        with acting(name):
            for number in range(3):
                with recorded(Entry("job.retry", f"job:{number}")):
                    pass
    with transaction() as session:
        mine = audit.listed(session, limit=2, who="anna")
        rest = audit.listed(session, limit=2, cursor=mine.next_cursor, who="anna")
        one = audit.listed(session, limit=9, target="job:1", action="job.retry")
        assert len(audit.of_target(session, "job:1", limit=9)) == 2
    assert [e.target for e in (*mine.rows, *rest.rows)] == ["job:2", "job:1", "job:0"]
    assert rest.next_cursor is None and [e.who for e in one.rows] == ["boris", "anna"]


def test_no_command_changes_anything_past_the_audit() -> None:
    """Commands write through recorded(), or in transactions of their own within announced()."""
    past = []
    for source in SOURCES:
        if source.room == "commands" or source.name == "cli.py":
            for function in source.nodes(ast.FunctionDef):
                nodes = ast.walk(function)
                called = {dotted(node.func) for node in nodes if isinstance(node, ast.Call)}
                if "transaction" in called and "announced" not in called:
                    past.append(source.at(function))
    assert past == []


def test_no_page_changes_anything_past_the_audit() -> None:
    """Pages write through act() and act_outside(), or in recorded() and announced()."""
    own = ("console/actions.py", "console/access.py")  # those two, and that a session is in use
    past = [
        source.at(node)
        for source in SOURCES
        if source.room == "console" and source.name not in own
        for node in source.nodes(ast.Call)
        if dotted(node.func) == "transaction"
    ]
    assert past == []


def test_every_action_has_its_name_in_russian() -> None:
    named = texts.NAMES["action"]
    actions = {
        node.args[0].value
        for source in SOURCES
        if "Entry(" in source.text
        for node in source.nodes(ast.Call)
        if dotted(node.func) in ("Entry", "audit.Entry") and isinstance(node.args[0], ast.Constant)
    }
    assert actions <= named.keys()


def test_russian_words_are_in_the_texts_and_in_the_templates_only() -> None:
    spoken = [
        source.at(node)
        for source in SOURCES
        if source.room == "console" and not source.name.endswith("texts.py")
        for node in source.nodes(ast.Constant)
        if isinstance(node.value, str) and re.search("[а-яё]", node.value, re.IGNORECASE)
    ]
    assert spoken == []
