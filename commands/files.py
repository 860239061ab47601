"""The storage compared with the rows, after a restore or a loss of either."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import UUID

import click

from services import data
from services.audit import Entry
from services.stored_files import PAGE
from workflows import stored_files
from workflows.actions import announced, recorded

UNITS = {"h": "hours", "d": "days"}


class Age(click.ParamType[timedelta]):
    """A time such as 36h or 2d."""

    name = "age"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        found = re.fullmatch(r"(\d{1,5})([hd])", value)
        if found is None:
            self.fail(f"{value!r} is not a time such as 36h or 2d", param, ctx)
        return timedelta(**{UNITS[found[2]]: int(found[1])})


@click.group("files")
def files_group() -> None:
    """Photos and results in the storage."""


@files_group.command("orphans")
@click.option("--older-than", type=Age(), default="2d", show_default=True, help="36h, or 2d")
@click.option("--delete", is_flag=True, help="delete them; else they are only listed")
@click.option("--even-most", is_flag=True, help="delete them even if they are more than the others")
def orphans(older_than: timedelta, delete: bool, even_most: bool) -> None:
    """What is in the storage and no row knows, as after a restore to an earlier moment."""
    stored = unknown = 0
    for batch in stored_files.orphans(older_than):
        for name in batch.unknown:
            click.echo(name)
        stored, unknown = stored + batch.stored, unknown + len(batch.unknown)
    hours = older_than / timedelta(hours=1)
    click.echo(f"{unknown} of {stored} files older than {hours:g} hours have no row")
    if not delete or not unknown:
        return
    if unknown > stored - unknown and not even_most:
        raise RuntimeError(
            "these are most of the files: is it the right database, restored to the right moment?"
            " If so, repeat it with --even-most"
        )
    entry = Entry("files.delete_orphans")
    with announced(entry):
        deleted = stored_files.delete_orphans(older_than)
        entry.after = {"files": deleted}
    click.echo(f"{deleted} deleted")


@files_group.command("missing")
@click.option("--forget", is_flag=True, help="mark them as deleted: nobody can order with them")
@click.option("--even-most", is_flag=True, help="forget them even if they are more than the others")
def missing(forget: bool, even_most: bool) -> None:
    """Files that a row promises and the storage does not have; asks for each, which takes long."""
    rows, lost = 0, list[UUID]()
    for looked in stored_files.missing():
        for row in looked.lost:
            click.echo(f"{row.id}  {row.purpose}  {row.storage_key}")
        rows, lost = rows + looked.rows, lost + [row.id for row in looked.lost]
    # Workers delete what is marked, also where it is there after all.
    if forget and len(lost) > rows - len(lost) and not even_most:
        raise RuntimeError(
            f"{len(lost)} of {rows} files are missing: is it the right bucket, or is a disk not"
            " mounted? If they are lost, repeat it with --even-most"
        )
    if forget:
        _forget(lost)
    said = " and now marked as deleted" if forget and lost else ""
    click.echo(f"{len(lost)} files are missing{said}")


def _forget(lost: list[UUID]) -> None:
    for start in range(0, len(lost), PAGE):
        some = lost[start : start + PAGE]
        entry = Entry("files.forget_missing", after={"files": len(some)})
        with recorded(entry) as session:
            data.delete_of(session, some)
