"""Migrations build the schema of the models, both ways and from several servers at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from db import schema
from local.processes import Child, Program
from tests.databases import empty_database

ROOT = Path(__file__).parents[2]
VERSIONS = ROOT / "db/migrations/versions"


@pytest.fixture
def empty(postgres: str) -> Iterator[str]:
    """URL of a database of its own, with nothing in it."""
    with empty_database(postgres) as url:
        yield url


def leftovers(url: str) -> list[str]:
    with create_engine(url).connect() as connection:
        tables = connection.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        )
        functions = connection.scalars(
            text("SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace")
        )
        return sorted([*tables, *functions])


def test_models_and_migrations_agree(empty):
    schema.upgrade(empty)
    schema.check(empty)


def test_every_step_goes_down_and_up_again(empty):
    schema.upgrade(empty)
    for revision in ["0003", "0002", "0001", "base"]:
        schema.downgrade(empty, revision)
        schema.upgrade(empty)
    schema.downgrade(empty, "base")
    assert leftovers(empty) == ["alembic_version"]


def test_revisions_are_numbered_and_the_last_one_is_the_head():
    numbers = sorted(path.name[:4] for path in VERSIONS.glob("*.py"))
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]
    assert schema.head() == numbers[-1]


def test_several_servers_may_migrate_at_once(empty, tmp_path):
    environ = {**os.environ, "DATABASE_URL": empty}
    programs = [Program(f"migrate-{n}", ("cli.py", "migrate"), stop_seconds=0) for n in range(3)]
    started = [Child(program, environ=environ, logs=tmp_path) for program in programs]
    assert [child.wait(60) for child in started] == [0, 0, 0]
    schema.check(empty)


def test_people_who_were_invited_before_referrals_had_a_table_are_in_it(empty):
    schema.upgrade(empty, "0002")
    inviter, friend, customer = (f"{digit}" * 8 + "-1111-4111-8111-111111111111" for digit in "123")
    with create_engine(empty).begin() as connection:
        connection.execute(
            text(
                "INSERT INTO users (id, telegram_id, ref_code, referrer_id) VALUES"
                f" ('{inviter}', '1', 'a', NULL),"
                f" ('{friend}', '2', 'b', '{inviter}'), ('{customer}', '3', 'c', '{inviter}')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO payments (id, user_id, provider, status, amount_rub, tokens,"
                " asked_minor, asked_currency, payer_telegram_id, expires_at, paid_at)"
                " SELECT gen_random_uuid(), :payer, 'stripe', 'succeeded', 20000, 2000,"
                " 20000, 'RUB', '3', now(), now() + n * interval '1 day'"
                " FROM generate_series(2, 1, -1) n"
            ),
            {"payer": customer},
        )
    schema.upgrade(empty)
    with create_engine(empty).connect() as connection:
        rows = connection.execute(
            text(
                "SELECT inviter_id, invitee_id, invitee_paid, paid_at = (SELECT min(paid_at)"
                " FROM payments) FROM referrals LEFT JOIN payments ON payments.id = payment_id"
                " ORDER BY invitee_id"
            )
        ).all()
    # Who had paid already has: only a first payment rewards the inviter.
    assert [(str(row[0]), str(row[1]), *row[2:]) for row in rows] == [
        (inviter, friend, False, None),
        (inviter, customer, True, True),
    ]
