"""PostgreSQL: its version, schema, clock, limits, connections, standbys and archive."""

from __future__ import annotations

from collections.abc import Iterator

from commands.doctor.finding import Finding, judged
from db import reading, schema, servers
from db.connections import SESSION, direct_url
from db.servers import State
from db.types import now
from errors import ApiError, with_reason
from services import database_state
from services.database_state import DatabaseState, Standby

OLDEST = 150_000
SKEW_SECONDS, BAD_SKEW_SECONDS = 2.0, 30.0
LAG_SECONDS = 30.0
MANY_CONNECTIONS, MOST_CONNECTIONS = 0.8, 0.95


def look() -> Iterator[Finding]:
    """The server behind DATABASE_URL."""
    try:
        with reading() as reader:
            state, ahead = database_state.read(reader), now()
            why, at = schema.objection(reader), schema.current(reader)
            standbys = database_state.standbys(reader)
    except ApiError as error:
        fix = "is it up, and takes writes (docs/failover.md)? A pooler: docs/pooler.md"
        yield Finding("FAIL", "database", with_reason(error), fix)
        return
    version = f"PostgreSQL {state.version // 10_000}.{state.version % 10_000}"
    yield judged("database", version, fail=state.version < OLDEST, fix="15 or newer is needed")
    yield judged("migrations", why or f"at {at}", fail=bool(why), fix="python cli.py migrate")
    yield _clock((ahead - state.clock).total_seconds())
    wrong = {name: is_ for name, is_ in state.limits.items() if is_ != SESSION[name]}
    yield judged(
        "limits of a session",
        ", ".join(f"{name} is {is_}" for name, is_ in (wrong or state.limits).items()),
        fail=bool(wrong),
        fix="behind a pooler set DATABASE_DIRECT_URL, then python cli.py migrate, then RECONNECT",
    )
    used = state.connections / state.max_connections
    yield judged(
        "connections",
        f"{state.connections} of {state.max_connections}",
        fail=used > MOST_CONNECTIONS,
        warn=used > MANY_CONNECTIONS,
        fix="a larger max_connections, fewer processes, or a pooler: docs/pooler.md",
    )
    yield from _replication(state, standbys)
    yield from _servers(servers.states(direct_url()))


def _servers(states: dict[str, State | None]) -> Iterator[Finding]:
    """Those that are listed, where they are several."""
    if not states:
        return
    says = {
        name: "does not answer"
        if state is None
        else "is a standby"
        if state.timeline is None
        else f"takes writes (timeline {state.timeline})"
        for name, state in states.items()
    }
    primaries = [state for state in states.values() if state and state.timeline is not None]
    yield judged(
        "servers",
        ", ".join(f"{name} {is_}" for name, is_ in says.items()),
        fail=len(primaries) > 1,
        warn=None in states.values(),
        fix="stop all but the newest and make them anew: docs/failover.md"
        if len(primaries) > 1
        else "bring it back as a standby, or take it out of DATABASE_URL",
    )


def _clock(ahead_seconds: float) -> Finding:
    return judged(
        "clock",
        f"{abs(ahead_seconds):.1f} s from the database's",
        fail=abs(ahead_seconds) > BAD_SKEW_SECONDS,
        warn=abs(ahead_seconds) > SKEW_SECONDS,
        fix="let NTP set the clocks of both machines",
    )


def _replication(state: DatabaseState, standbys: list[Standby]) -> Iterator[Finding]:
    wanted = state.synchronous_standby_names
    sync = [each for each in standbys if each.sync_state in ("sync", "quorum")]
    if wanted and not sync:
        fix = "every commit waits: bring a standby back: docs/failover.md"
        says = f"none of {wanted} follows synchronously"
        # Their state may be hidden from our role, unless it is in pg_monitor.
        hidden = any(each.sync_state is None for each in standbys)
        yield judged("standbys", says, fail=not hidden, warn=hidden, fix=fix)
    for each in standbys:
        late = (each.lag_seconds or 0) > LAG_SECONDS
        says = f"{each.sync_state or 'hidden'}, {each.lag_seconds or 0:.1f} s behind"
        yield judged(f"standby {each.application_name}", says, warn=late, fix="is it too slow?")
    if not standbys and not wanted:
        yield Finding("OK", "standbys", "none")
