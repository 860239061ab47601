"""After a restore: files that no row knows, rows without a file, people who were erased since."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select, text

import settings
from db import snapshot, transaction
from db.models import AuditEntry
from db.rows import DataRow
from providers import registry
from services import data, stored_files
from tests.command_line import CommandLine, command_line, complain, say
from tests.factories import make_user, stored_image
from workflows import erasure
from workflows.stored_files import orphans

OLD = time.time() - timedelta(days=3).total_seconds()


@pytest.fixture
def cli(database: str, no_rows: None) -> Iterator[CommandLine]:
    for path in stored():  # by modules before this one, whose databases are gone
        path.unlink()
    with command_line(DATABASE_URL=database) as opened:
        yield opened


def stored() -> list[Path]:
    """All files of the store."""
    return list((settings.load().state_dir / "files/objects").rglob("*.data"))


def age_all() -> None:
    """Everything in the store was stored three days ago."""
    for path in stored():
        os.utime(path, (OLD, OLD))


def lose(data_id: UUID) -> None:
    """The row of a file is gone, as it was not there at the moment that was restored."""
    with transaction() as session:
        session.execute(text("DELETE FROM data WHERE id = :id"), {"id": data_id})


def test_files_without_a_row_are_listed_and_deleted_and_no_others(cli: CommandLine) -> None:
    storage = registry.storage()
    kept, newer, lost = stored_image(b"kept"), stored_image(b"newer"), stored_image(b"lost")
    erased = make_user()
    erasure.erase(erased.id)
    listed = say(cli, "files", "orphans", "--older-than", "2d").splitlines()
    assert "0 of 0 files" in listed[-1]
    assert "younger than an hour" in complain(cli, "files", "orphans", "--older-than", "0h")
    age_all()
    assert say(cli, "files", "orphans").startswith("0 of ")
    lose(lost.id)
    lose(newer.id)
    storage.put(newer.storage_key, io.BytesIO(b"newer"), content_type="image/jpeg")

    listed = say(cli, "files", "orphans").splitlines()
    assert len(listed) == 2 and listed[-1].startswith("1 of ")
    assert storage.head(lost.storage_key)
    assert "1 deleted" in say(cli, "files", "orphans", "--delete")
    assert storage.head(lost.storage_key) is None
    assert storage.head(newer.storage_key) and storage.head(kept.storage_key)
    assert say(cli, "files", "orphans").startswith("0 of ")

    for row in (kept, stored_image(b"x")):
        lose(row.id)
    storage.delete(stored_files.note_of(erased.id))
    age_all()
    code, _, complaint = cli.run("files", "orphans", "--delete")
    assert code == 1 and "is it the right database" in complaint
    assert storage.head(kept.storage_key)
    assert "deleted" in say(cli, "files", "orphans", "--delete", "--even-most")
    assert storage.head(kept.storage_key) is None
    with snapshot() as session:
        done = session.scalars(
            select(AuditEntry.outcome).where(AuditEntry.action == "files.delete_orphans")
        )
        assert sorted(done) == ["begun", "begun", "done", "done"]


def test_rows_without_a_file_are_listed_and_forgotten(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_files, "PAGE", 2)
    files = [stored_image(bytes([number])) for number in range(5)]
    for gone in files[1:4:2]:
        registry.storage().delete(gone.storage_key)
    listed = say(cli, "files", "missing").splitlines()
    assert {line.split()[0] for line in listed[:-1]} == {str(files[1].id), str(files[3].id)}
    assert listed[-1] == "2 files are missing"
    assert "2 files are missing and now" in say(cli, "files", "missing", "--forget")
    assert say(cli, "files", "missing") == "0 files are missing"

    for gone in files[0::2]:  # as if it were the wrong bucket
        registry.storage().delete(gone.storage_key)
    code, _, complaint = cli.run("files", "missing", "--forget")
    assert code == 1 and "is it the right bucket" in complaint
    assert statuses_of(files) == ["confirmed", "deleted", "confirmed", "deleted", "confirmed"]
    assert "3 files" in say(cli, "files", "missing", "--forget", "--even-most")
    assert statuses_of(files) == ["deleted"] * 5


def statuses_of(files: list[DataRow]) -> list[str]:
    with snapshot() as session:
        found = data.of_ids(session.connection(), [each.id for each in files])
    return [found[each.id].status for each in files]


def test_only_what_is_named_as_photos_are_is_an_orphan_of_a_bucket() -> None:
    photo = data.new_key("image", "image/jpeg")
    others = ["livephoto/backup/pg_data.gz", "erased/1", "image/logo.png", f"x/{photo}"]
    assert stored_files.named_as_photos([*others, photo]) == [photo]


def test_who_was_erased_after_the_moment_is_erased_again(cli: CommandLine) -> None:
    erased, other = make_user(), make_user()
    before = "SELECT telegram_id, username, ref_code FROM users WHERE id = :id"
    with transaction() as session:
        row = session.execute(text(before), {"id": erased.id}).one()
    erasure.erase(erased.id)
    assert say(cli, "user", "erase-again") == "nobody else was erased after this moment"
    restored = "UPDATE users SET erased_at = NULL, telegram_id = :t, ref_code = :r WHERE id = :id"
    with transaction() as session:
        session.execute(text(restored), {"t": row[0], "r": row[2], "id": erased.id})
    said = say(cli, "user", "erase-again").splitlines()
    assert said[0] == f"{erased.id} is erased again"
    with snapshot() as session:
        left = session.execute(text("SELECT id, telegram_id FROM users WHERE erased_at IS NULL"))
        assert [tuple(each) for each in left] == [(other.id, other.telegram_id)]


def test_a_row_that_is_on_its_way_is_waited_for(database: str) -> None:
    with pytest.raises(ValueError, match="younger than an hour"):
        next(orphans(timedelta(minutes=59)))
