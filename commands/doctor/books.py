"""What the last proofs found, what is archived, what waits, and engines that take no orders."""

from __future__ import annotations

import time
from collections.abc import Iterator

from commands.doctor.finding import Finding, judged
from db import reading, schema
from db.types import now
from errors import ApiError
from services import checks, gauges
from telemetry import metrics

ARCHIVE_SECONDS = 900
WAIT_SECONDS = 300
SECOND_NIGHT = 1.5  # days: a check that was left out for one night


def look() -> Iterator[Finding]:
    """What the tables say."""
    try:
        with reading() as reader:
            schema.require(reader)
    except ApiError:
        says, fix = "not looked at", "first mend database and migrations, above"
        yield Finding("FAIL", "books", says, fix)
        return
    with reading() as reader:
        proofs = {name: checks.latest(reader, name) for name in (checks.LEDGER, checks.FIGURES)}
        values = gauges.read(reader)
    for name, last in proofs.items():
        if last is None:
            fix = f"a worker makes it every night; at once: python cli.py {name} check"
            yield Finding("WARN", f"check of the {name}", "never made", fix)
            continue
        days = (now() - last.checked_at).total_seconds() / 86_400
        yield judged(
            f"check of the {name}",
            f"{days * 24:.0f} h ago, {last.broken} rules broken",
            fail=bool(last.broken),
            warn=days > SECOND_NIGHT,
            fix=f"python cli.py {name} check",
        )
    readings = {(each.name, *each.labels): each.value for each in values}
    yield _archive(readings.get((metrics.archived_moment.name,)))
    dead, parked = (readings[each.name,] for each in (metrics.outbox_dead, metrics.events_parked))
    fix = "python cli.py outbox list, then outbox replay --dead"
    yield judged("events for the bot", f"{dead:.0f} dead", fail=dead > 0, fix=fix)
    fix = "python cli.py events list --state parked"
    yield judged("reports of providers", f"{parked:.0f} parked", warn=parked > 0, fix=fix)
    wait = max(readings[metrics.queue_oldest_wait.name, queue] for queue in ("embedded", "remote"))
    fix = "start workers: docs/observability.md#orders-wait"
    yield judged("queue", f"oldest waits {wait:.0f} s", warn=wait > WAIT_SECONDS, fix=fix)
    closed = [each.labels for each in values if each.name == metrics.engine_closed.name]
    says = ", ".join(f"{name} is closed: {code}" for name, code in closed) or "all take orders"
    fix = "python cli.py engines list; docs/engines.md"
    yield judged("engines", says, fail=bool(closed), fix=fix)


def _archive(moment: float | None) -> Finding:
    if moment is None:
        fix = "docs/backup.md, unless your provider keeps the log"
        return Finding("WARN", "archive", "PostgreSQL does not archive its log", fix)
    age = time.time() - moment
    fix = "pgbackrest --stanza=livephoto check, on the machine of PostgreSQL"
    return judged("archive", f"last sent {age:.0f} s ago", fail=age > ARCHIVE_SECONDS, fix=fix)
