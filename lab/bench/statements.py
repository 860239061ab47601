"""The SQL of an operation, recorded while our handler runs it, as a pgbench script."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import event

from db import connections, reading, transaction
from db.notifications import NOTIFY
from handlers import jobs, users
from lab.bench import world
from lab.bench.operations import Operation, paid_event
from providers.payments.stripe_objects import read_session_event
from services import settlement

_UUID = re.compile(r"'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'")
# The number of an order, which our handler takes before it writes the row.
_NUMBER = re.compile(r"(INSERT INTO jobs \(id, number, .*?\) VALUES \([^,]*, )\d+")
USER = 7
BATCH = "floor"


def script(operation: Operation, file: Path) -> Path:
    """Write the SQL of `operation`, for a random user and with new ids each time."""
    statements = _record(_CALLS[operation.name])
    lines = [f"\\set n random(1, {world.USERS - 1})", "\\set r random(1, 1000000000000000)"]
    if operation.once:
        lines.append("SELECT nextval('bench_payment') AS n \\gset")
    body = _with_variables(";\n".join(" ".join(each.split()) for each in statements) + ";")
    lines += ["BEGIN;", body, "COMMIT;"] if operation.writes else [body]
    file.write_text("\n".join(lines) + "\n")
    return file


def _record(call: Callable[[], Any]) -> list[str]:
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement != NOTIFY:  # a transaction of its own, from a thread of its own
            statements.append(cursor.mogrify(statement, parameters).decode())

    call()  # opens connections, fills caches
    event.listen(connections.engine(), "before_cursor_execute", note)
    try:
        call()
    finally:
        event.remove(connections.engine(), "before_cursor_execute", note)
    return statements


def _with_variables(text: str) -> str:
    known = {
        str(world.identifier(f"user-{USER}")): "md5('user-' || :n)::uuid",
        str(world.identifier(f"photo-{USER}")): "md5('photo-' || :n)::uuid",
        str(world.identifier("user-0")): f"'{world.identifier('user-0')}'",
        **{
            str(world.identifier(f"{BATCH}-{number}")): f"md5('{BATCH}-' || :n)::uuid"
            for number in (1, 2)
        },
    }
    constant = _constants()

    def expression(match: re.Match[str]) -> str:
        found = match[0].strip("'")
        if found in constant:
            return match[0]
        return known.setdefault(found, f"md5('{len(known)}-' || :r)::uuid")

    text = _UUID.sub(expression, text)
    text = _NUMBER.sub(r"\1nextval('jobs_number_seq')", text)
    text = text.replace('":', '": ')  # pgbench would take JSON's `:null` for a variable
    text = re.sub(rf"'evt_{BATCH}_\d+'", "'evt_' || :r", text)
    text = re.sub(rf"'(cs|pi)_{BATCH}_\d+'", rf"'\1_{BATCH}_' || :n", text)
    return text.replace(f"'{9_000_000 + USER}'", "(9000000 + :n)::text").replace(
        f"'user_{USER}'", "'user_' || :n"
    )


def _constants() -> set[str]:
    """Ids of rows that each request reads, such as the default models."""
    with reading() as opened:
        rows = opened.exec_driver_sql("SELECT id FROM generation_models").all()
    return {str(row.id) for row in rows}


_paid = iter((1, 2))


def _pay() -> None:
    number = next(_paid)
    event_body = paid_event(BATCH, number)
    with transaction() as opened:
        settlement.settle(opened, read_session_event(event_body["data"]["object"], event_body))


_USER_ID = str(world.identifier(f"user-{USER}"))
_CALLS: dict[str, Callable[[], Any]] = {
    "usersGetById": lambda: users.users_get_by_id(_USER_ID),
    "usersGetBalance": lambda: users.users_get_balance(_USER_ID),
    "usersRegisterOrLogin": lambda: users.users_register_or_login(
        {"telegramId": str(9_000_000 + USER), "username": f"user_{USER}"}, None
    ),
    "jobsList": lambda: jobs.jobs_list(str(world.identifier("user-0")), world.PAGE, None),
    "jobsCreate": lambda: jobs.jobs_create(
        {
            "userId": _USER_ID,
            "serviceType": "restore",
            "input": [{"type": "image", "dataId": str(world.identifier(f"photo-{USER}"))}],
        },
        None,
    ),
    "webhookPayments": _pay,
}
