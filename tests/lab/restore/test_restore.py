"""The command of docs/backup.md, on a PostgreSQL archived as deploy/backup has it."""

from __future__ import annotations

import time
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from lab.restore.archive import ArchivedPostgres, MissingProgramError, programs
from local.database import prepare
from local.postgres.throwaway import state_folder
from services import gauges, grants, ledger, registration
from settings.databases import in_psycopg2


def test_a_database_is_restored_to_a_moment_and_a_running_one_is_not_touched() -> None:
    try:
        programs()
    except MissingProgramError as missing:
        pytest.skip(str(missing))
    with state_folder("restore") as folder:
        postgres = ArchivedPostgres(folder, archive_seconds=60)
        try:
            _restore(postgres)
        finally:
            postgres.stop()


def _restore(postgres: ArchivedPostgres) -> None:
    url = in_psycopg2(postgres.url)
    prepare(url)
    engine = create_engine(url, poolclass=NullPool)
    with Session(engine) as session, session.begin():
        user = registration.register_or_log_in(session, "5001")
        grants.grant(session, user.id, Decimal(30), key=uuid4().hex, reason="before")
    postgres.back_up()
    made = postgres.now()
    while (moment := postgres.now()).replace(microsecond=0) <= made:
        time.sleep(0.1)  # pgBackRest 2.45 knows the end of a backup to the second
    with Session(engine) as session, session.begin():
        grants.grant(session, user.id, Decimal(7), key=uuid4().hex, reason="after")
        registration.register_or_log_in(session, "5002")
    postgres.archive()
    with Session(engine) as session:
        archived = {each.name: each.value for each in gauges.read(session)}
    age = moment.timestamp() - archived["livephoto_wal_archived_timestamp_seconds"]
    assert age < 1, "the part with what came after the moment is archived after it"

    refused = postgres.restore(moment, check=False)
    assert refused.returncode == 2, refused.stdout
    assert "PostgreSQL is running" in refused.stdout
    postgres.lose()
    postgres.restore(moment)

    with Session(engine) as session:
        people = session.execute(text("SELECT telegram_id, balance_tokens FROM users")).all()
        assert people == [("5001", 3000)]  # in hundredths
        assert not any(ledger.violations(session).values())
    assert [each.name for each in postgres.data.parent.glob("data.before-restore-*")]
