"""Of several servers the one that takes writes is found; a silent one costs its time-out once."""

from __future__ import annotations

import socket

import pytest
from psycopg2.extensions import parse_dsn

from db import servers
from db.servers import CONNECTION, OldPrimaryError, dial
from settings.databases import plain


@pytest.fixture(autouse=True)
def new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known of any server, and no thread is left that goes on comparing."""
    monkeypatch.setattr(servers, "_known", servers._Known())
    monkeypatch.setattr(servers, "_compare_from_now_on", servers.compare)


def parameters(url: str, **others: str) -> servers.Parameters:
    return {**parse_dsn(plain(url)), **CONNECTION, **others}


def connections(listener: socket.socket) -> int:
    """How many were made since it was asked last."""
    listener.setblocking(False)
    made = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return made
        made += 1


def test_a_server_that_does_not_answer_is_not_tried_first_again(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = parameters(database)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel alone accepts
        ports = f"{silent.getsockname()[1]},{one['port']}"
        both = {**one, "host": f"127.0.0.1,{one['host']}", "port": ports}
        dial(both).close()
        assert connections(silent) == 2  # for the comparison, and as the first of the list
        monkeypatch.setattr(servers, "_compare_from_now_on", lambda _: None)
        for _ in range(3):
            dial(both).close()
        assert connections(silent) == 0


def test_a_server_on_an_older_timeline_than_was_seen_is_refused(database: str) -> None:
    dial(parameters(database)).close()
    (system,) = servers._known.newest
    dial(parameters(database)).close()
    servers._known.newest[system] += 1
    with pytest.raises(OldPrimaryError, match="an old primary answers"):
        dial(parameters(database))
    servers._known.newest = {system + 1: 99}  # of another system nothing follows
    dial(parameters(database)).close()
