"""Server, worker and commands on a database that another version of the code has migrated."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

import settings
from db import schema, transaction
from tests import live, workers
from tests.command_line import command_line, say
from tests.live import Bot, done
from tests.load import PHOTO
from tests.wire import wait_until

OLDER, NEWER = "0001", "9999"


def migrate_to(revision: str, *, oldest_code: str | None = None) -> None:
    """Let the database say what another version's migrations leave there."""
    mark = f"'{schema.OLDEST_CODE}{oldest_code}'" if oldest_code else "NULL"
    with transaction() as session:
        session.execute(text(f"UPDATE alembic_version SET version_num = '{revision}'"))
        session.execute(text(f"COMMENT ON TABLE alembic_version IS {mark}"))


def test_a_newer_schema_serves_until_it_needs_newer_code(database: str, tmp_path: Path) -> None:
    code, state_dir = schema.head(), settings.load().state_dir
    migrate_to(OLDER)
    with live.serve(tmp_path, state_dir=state_dir) as server, command_line() as cli:
        worker = workers.start_worker(tmp_path)
        bot = Bot(server.url)

        def refuse(objection: str) -> None:
            wait_until(lambda: bot.get("/health/ready").status_code == 503)
            checks = done(bot.get("/health/ready"), 503)["checks"]
            assert (checks["database"]["ok"], checks["migrations"]["ok"]) == (True, False)
            ended, _, complaint = cli.run("seed")
            assert (ended, complaint) == (1, f"error: service_unavailable: {objection}")

        refuse(f"database is at {OLDER}, code needs {code}: run `python cli.py migrate`")
        idle = "worker takes no jobs, tries again: service_unavailable: database is at"
        wait_until(lambda: idle in worker.said())

        migrate_to(NEWER)
        wait_until(lambda: bot.get("/health/ready").status_code == 200)
        assert say(cli, "seed") == "0 rows added"
        assert (
            say(cli, "migrate") == f"database is at {NEWER}, newer than this code, which it serves"
        )
        user = bot.register()
        say(cli, "grant", user["telegramId"], "30", "--key", "gift", "--reason", "trying")
        job = bot.order(user["id"], done(bot.upload(PHOTO), 201)["id"])
        wait_until(lambda: done(bot.get(f"/jobs/{job['id']}"), 200)["status"] == "done")

        migrate_to(NEWER, oldest_code="9998")
        objection = f"database is at {NEWER} and needs code of 9998 or newer, this is of {code}"
        refuse(objection)
        assert cli.run("migrate") == (1, "", f"error: {objection}")
        assert worker.wait(workers.STOP_SECONDS) == 1
        assert worker.said().endswith(f"{objection}\n")
    migrate_to(code)
