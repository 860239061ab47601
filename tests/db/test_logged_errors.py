"""What is logged of an error whose details contain rows."""

from __future__ import annotations

import json
import logging.config

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError, ProgrammingError

import settings
from db import transaction
from db.models import User
from telemetry import logs
from tests.factories import make_user


def test_a_broken_rule_is_named_without_the_row_that_broke_it(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    user = make_user(username="anna_of_the_log")
    formatter = logging.config.DictConfigurator(logs.config("INFO")).configure_formatter(
        logs.config("INFO")["formatters"]["json"]
    )
    twin = {"telegram_id": user.telegram_id, "username": "anna_of_the_log", "ref_code": "x"}
    with pytest.raises(IntegrityError) as caught, transaction() as session:
        session.execute(insert(User).values(twin))
    assert user.telegram_id in str(caught.value)
    info = (caught.type, caught.value, caught.tb)
    record = logging.LogRecord("a", logging.ERROR, __file__, 1, "unhandled", (), info)
    traceback = json.loads(formatter.format(record))["exc_info"]
    assert "uq_users_telegram_id" in traceback
    assert "DETAIL: [redacted]" in traceback
    assert user.telegram_id not in traceback
    assert "anna_of_the_log" not in traceback


def test_a_statement_that_fails_is_logged_without_the_values_around_the_place(
    database: str,
) -> None:
    formatter = logging.config.DictConfigurator(logs.config("INFO")).configure_formatter(
        logs.config("INFO")["formatters"]["json"]
    )
    newer = text("UPDATE users SET username = :name, column_of_tomorrow = 1")
    values = {"name": "anna_of_the_line"}
    with pytest.raises(ProgrammingError) as caught, transaction() as session:
        session.execute(newer, values)
    assert "anna_of_the_line" in str(caught.value)
    info = (caught.type, caught.value, caught.tb)
    record = logging.LogRecord("a", logging.ERROR, __file__, 1, "unhandled", (), info)
    traceback = json.loads(formatter.format(record))["exc_info"]
    assert "column_of_tomorrow" in traceback
    assert "anna_of_the_line" not in traceback


def test_the_log_of_the_embedded_server_holds_neither_statements_nor_rows(database: str) -> None:
    user = make_user()
    twin = {"telegram_id": user.telegram_id, "ref_code": "x"}
    with pytest.raises(IntegrityError), transaction() as session:
        session.execute(insert(User).values(twin))
    log = (settings.load().state_dir / "postgres/server.log").read_text("utf-8")
    assert "uq_users_telegram_id" in log
    assert user.telegram_id not in log
