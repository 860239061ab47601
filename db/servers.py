"""Which server of PostgreSQL a new connection leads to: the one that takes writes, and never one
whose place another has taken (ADR 30).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, NamedTuple

import psycopg2
from psycopg2.extensions import parse_dsn

from db.bounded import BoundedConnection
from settings.databases import plain

log = logging.getLogger(__name__)

# For libpq: a server whose machine or network is gone is given up within five seconds, whether it
# is to answer a statement, to read one, or to tell a worker of a job.
CONNECTION: dict[str, Any] = {
    "connect_timeout": 2,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 2,
    "tcp_user_timeout": 4_000,
    "application_name": "livephoto",
    "connection_factory": BoundedConnection,
}
COMPARE_SECONDS = 10
# Whoever wants a connection so soon after a time-out is told of it and does not wait for the next:
# many may have queued up for the few threads meanwhile.
FAILED_SECONDS = 1
# The name of the file that it would write next begins with the timeline; the control file, which
# has a function of its own, is behind for seconds after a promotion. A standby writes none.
_STATE = """
SELECT system_identifier, CASE WHEN NOT pg_is_in_recovery() THEN
  left(pg_walfile_name(pg_current_wal_lsn()), 8) END FROM pg_control_system()
"""

Parameters = Mapping[str, Any]


class OldPrimaryError(psycopg2.OperationalError):
    """A server that takes writes although another one has taken its place."""


class State(NamedTuple):
    """timeline: raised by one at each promotion; None of a standby."""

    system: int
    timeline: int | None


class _Known:
    """What this process knows of the servers."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.comparing = threading.Lock()
        self.newest: dict[int, int] = {}  # the newest timeline by system
        self.last: Parameters = {}  # where the last connection led
        self.failed_until = 0.0
        self.compares = False
        self.complained = False


_known = _Known()
_when_replaced: list[Callable[[], None]] = []


def _begin_anew() -> None:
    """After a fork: the thread that compares stayed behind, and locks may have been held."""
    _known.lock, _known.comparing, _known.compares = threading.Lock(), threading.Lock(), False


os.register_at_fork(after_in_child=_begin_anew)


def when_replaced(effect: Callable[[], None]) -> None:
    """Call it whenever another server has become the primary."""
    _when_replaced.append(effect)


def dial(parameters: Parameters) -> BoundedConnection:
    """A new connection, by parameters of libpq, of which host and port may be lists.

    Where the last one succeeded is tried first: a machine that is gone would cost each connection
    the time-out. OldPrimaryError when only an old primary answers, psycopg2.OperationalError when
    none does.
    """
    servers = list(_servers(parameters))
    if len(servers) > 1:
        _compare_from_now_on(parameters)
    started, failures = time.monotonic(), []
    if started < _known.failed_until:
        raise psycopg2.OperationalError("no server answered a moment ago")
    for server in sorted(servers, key=lambda server: server != _known.last):
        try:
            connection = _refuse_old(psycopg2.connect(**{**parameters, **server}))
        except psycopg2.OperationalError as error:
            failures.append(error)
        else:
            _known.last = server
            return connection
    old = [error for error in failures if isinstance(error, OldPrimaryError)]
    if time.monotonic() - started > FAILED_SECONDS:
        _known.failed_until = time.monotonic() + FAILED_SECONDS
    if old:
        raise old[0]
    # Of each server: that one is a standby says little while nobody knows that the other is gone.
    raise psycopg2.OperationalError("; ".join(str(each).partition("\n")[0] for each in failures))


def _servers(parameters: Parameters) -> Iterator[Parameters]:
    """Host and port of each server, as parameters; {} where the parameters name but one."""
    hosts = str(parameters.get("host", "")).split(",")
    ports = str(parameters.get("port", "")).split(",")
    if len(hosts) == 1:
        yield {}
        return
    for index, host in enumerate(hosts):
        yield {"host": host, "port": ports[min(index, len(ports) - 1)]}


def _refuse_old(connection: BoundedConnection) -> BoundedConnection:
    """OldPrimaryError, and the connection is closed, when another server has taken its place."""
    try:
        _learn(_state(connection))
    except BaseException:
        connection.close()
        raise
    return connection


def _state(connection: BoundedConnection) -> State:
    connection.autocommit = True  # one message, without BEGIN and COMMIT
    with connection.cursor() as cursor:
        cursor.execute(_STATE)
        found = cursor.fetchone()
    connection.autocommit = False
    system, timeline = found or (0, None)
    return State(system, timeline and int(timeline, 16))


def _learn(state: State) -> None:
    """OldPrimaryError for a timeline older than the newest that was seen of the same system."""
    if state.timeline is None:
        return
    with _known.lock:
        newest = _known.newest.get(state.system, 0)
        _known.newest[state.system] = max(newest, state.timeline)
    if state.timeline < newest:
        raise OldPrimaryError(
            f"an old primary answers: timeline {state.timeline}, when {newest} has been seen"
        )
    if 0 < newest < state.timeline:
        log.warning("another server is the primary now: timeline %d", state.timeline)
        for effect in _when_replaced:
            effect()


def _compare_from_now_on(parameters: Parameters) -> None:
    """Once before the first connection of this process, then by a thread."""

    def run() -> None:
        while True:
            time.sleep(COMPARE_SECONDS)
            compare(parameters)

    with _known.comparing:
        if not _known.compares:
            compare(parameters)
            _known.compares = True
            threading.Thread(target=run, name="primaries", daemon=True).start()


def compare(parameters: Parameters) -> None:
    """Learn the newest timeline of all servers that are listed, and complain of two primaries.

    Never raises; those that do not answer are passed over.
    """
    primaries = {
        name: state.timeline
        for name, state in _states(parameters).items()
        if state is not None and state.timeline is not None
    }
    if len(primaries) > 1 and not _known.complained:
        log.error("several servers take writes, fence the old ones: %s (timelines)", primaries)
    _known.complained = len(primaries) > 1


def states(url: str) -> dict[str, State | None]:
    """Each of several servers that an address names, by host and port; None: it is silent."""
    return _states({**parse_dsn(plain(url)), **CONNECTION})


def _states(parameters: Parameters) -> dict[str, State | None]:
    servers = list(_servers(parameters))
    with ThreadPoolExecutor(len(servers)) as together:
        found = list(together.map(lambda server: _look(parameters, server), servers))
    names = [f"{server['host']}:{server['port']}" for server in servers if server]
    return dict(zip(names, found, strict=False))


def _look(parameters: Parameters, server: Parameters) -> State | None:
    try:
        any_state = {**parameters, **server, "target_session_attrs": "any"}
        with closing(psycopg2.connect(**any_state)) as connection:
            state = _state(connection)
            _learn(state)
            return state
    except OldPrimaryError:
        return state
    except psycopg2.Error:
        return None
