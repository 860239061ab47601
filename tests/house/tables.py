"""Tables of docs/reference.md, privacy.md and scale.md that are generated from what they describe.

`python -m tests.house.tables`, part of `make format`, writes them; a test checks them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

import click
import sqlalchemy
from sqlalchemy import PrimaryKeyConstraint, UniqueConstraint

import cli
from db.models import Table
from errors import CODES
from services.personal_data import KEPT, Kept
from settings import Settings, described
from spec import CONTRACT
from spec.operations import operations_of
from telemetry.metrics import METRICS
from tests.house.code import ROOT

MISSING_TEXT = "say here what it does"
REFERENCE = ROOT / "docs/reference.md"
PRIVACY = ROOT / "docs/privacy.md"
SCALE = ROOT / "docs/scale.md"


def settings_table() -> str:
    """Every setting with its default and meaning."""
    rows = described(Settings())
    return _table(("Setting", "Default", "Meaning"), ((_code(n), _code(v), m) for n, v, m in rows))


def codes_table() -> str:
    """Every error code."""
    rows = ((str(status), _code(code), *texts) for code, (status, *texts) in CODES.items())
    head = ("Status", "`code`", "Meaning", "`userMessage`, if nothing more is known")
    return _table(head, sorted(rows, key=lambda row: row[0]))


def make_table() -> str:
    """Every target of the Makefile with its help."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    helped = re.findall(r"^([a-z-]+):.*?## (.*)$", makefile, re.MULTILINE)
    return _table(("Command", "What it does"), ((_code(f"make {n}"), text) for n, text in helped))


def cli_table() -> str:
    """Every operator's command with the first line of its help."""
    return _table(("Command", "What it does"), _commands(cli.cli, "python cli.py"))


def operations_table() -> str:
    """Every operation with the text of its row, which is written by hand."""
    texts = dict(
        re.findall(
            r"^\| `\w+ \S+` \| (\w+) \| (.*) \|$", REFERENCE.read_text("utf-8"), re.MULTILINE
        )
    )
    rows = (
        (
            _code(f"{each.method} {each.path}"),
            each.operation_id,
            texts.get(each.operation_id, MISSING_TEXT),
        )
        for each in operations_of(CONTRACT)
    )
    return _table(("Call", "operationId", "What it does"), rows)


def people_table() -> str:
    """What is kept about people: what an export shows, what an erasure takes away."""
    rows = ((_code(kept.name), *_fate(kept)) for kept in KEPT)
    head = ("Table", "In an export", "Not in it", "Erased", "What stays, and why")
    return _table(head, rows)


def _fate(kept: Kept) -> tuple[str, str, str, str]:
    left_out = "; ".join(f"{_names(names)}: {why}" for why, names in kept.left_out.items())
    shown = _names(kept.exported) if kept.exported else "nothing"
    if kept.erased is None:
        return shown, left_out, "the whole row", "nothing"
    return shown, left_out, _names(" ".join(kept.erased)), kept.stays


def _names(columns: str) -> str:
    return ", ".join(map(_code, columns.split()))


def metrics_table() -> str:
    """Everything that Prometheus is shown."""
    rows = (
        (_code(name), ", ".join(map(_code, metric.labels)), metric.about)
        for name, metric in METRICS.items()
    )
    return _table(("Metric", "Labels", "What it is"), rows)


def keys_table() -> str:
    """Keys of tables about people that do not name the person, by which rows would be spread."""
    people = {kept.name for kept in KEPT}
    tables = [Table.metadata.tables[name] for name in sorted(people)]
    rows = (
        (
            _code(table.name),
            _code(_owner(table)) or "no owner",
            "; ".join(sorted(set(_keys_without(table, _owner(table))))),
            ", ".join(sorted({_code(name) for name in _others(table) if name in people})),
        )
        for table in tables
    )
    return _table(("Table", "Owner", "Unique without the owner", "Points to rows of"), rows)


def _owner(table: sqlalchemy.Table) -> str:
    if table.name == "users":
        return "id"
    return next((name for name in ("user_id", "inviter_id") if name in table.columns), "")


def _keys_without(table: sqlalchemy.Table, owner: str) -> Iterable[str]:
    for rule in table.constraints:
        if isinstance(rule, UniqueConstraint | PrimaryKeyConstraint):
            names = [column.name for column in rule.columns]
            if owner not in names:
                yield ", ".join(map(_code, names))
    for index in table.indexes:
        names = [column.name for column in index.columns]
        if index.unique and owner not in names:
            yield f"{', '.join(map(_code, names))} of some rows"


def _others(table: sqlalchemy.Table) -> Iterable[str]:
    return (rule.referred_table.name for rule in table.foreign_key_constraints)


TABLES: dict[str, Callable[[], str]] = {
    "settings": settings_table,
    "codes": codes_table,
    "make": make_table,
    "cli": cli_table,
    "metrics": metrics_table,
    "operations": operations_table,
}
KEYS_TABLES: dict[str, Callable[[], str]] = {"keys": keys_table}
PEOPLE_TABLES: dict[str, Callable[[], str]] = {"people": people_table}


def written(text: str, tables: dict[str, Callable[[], str]] = TABLES) -> str:
    """`text` with each table renewed between its two comments."""
    for name, table in tables.items():
        start, end = f"<!-- table: {name} -->\n", f"<!-- end of table: {name} -->\n"
        before, _, rest = text.partition(start)
        _, _, after = rest.partition(end)
        text = f"{before}{start}{table()}{end}{after}"
    return text


def _commands(group: click.Group, prefix: str) -> Iterable[tuple[str, str]]:
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from _commands(command, f"{prefix} {name}")
        else:
            arguments = [p.name.upper() for p in command.params if isinstance(p, click.Argument)]
            yield _code(" ".join([prefix, name, *arguments])), command.get_short_help_str(120)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |\n" for row in lines
    )


if __name__ == "__main__":
    REFERENCE.write_text(written(REFERENCE.read_text("utf-8")), "utf-8")
    PRIVACY.write_text(written(PRIVACY.read_text("utf-8"), PEOPLE_TABLES), "utf-8")
    SCALE.write_text(written(SCALE.read_text("utf-8"), KEYS_TABLES), "utf-8")
