"""How many connections a server process has when everybody comes at once, and most of them wait."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from sqlalchemy import select, text

from db import transaction
from db.connections import CONNECTIONS, TRANSACTIONS, engine
from db.models import User
from local.processes import ROOT
from tests.live import Bot, Server, done, order, refused
from tests.load import PHOTO
from tests.wire import wait_until

WRITERS, READERS = 3 * TRANSACTIONS, CONNECTIONS
_WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'")


def connections(server: Server) -> int:
    """What the processes of a server have open to the database."""
    port = engine().url.port
    return sum(
        each.raddr.port == port
        for process in server.workers()
        for each in process.net_connections("tcp")
        if each.raddr
    )


def test_while_transactions_wait_for_a_lock_others_read_and_few_connections_do(
    server: Server,
) -> None:
    bot, stopping = Bot(server.url), threading.Event()
    assert len(server.workers()) == 1
    user, photo = bot.register()["id"], done(bot.upload(PHOTO), 201)["id"]
    read, most, answers = [0], [0], set[int]()

    def write() -> None:
        while not stopping.is_set():
            answers.add(bot.post("/jobs", order(user, photo)).status_code)

    def look() -> None:
        while not stopping.is_set():
            refused(bot.get(f"/payments/{uuid4()}"), "payment_not_found")
            read[0] += 1
            most[0] = max(most[0], connections(server))

    with ThreadPoolExecutor(WRITERS + READERS) as crowd:
        try:
            with transaction() as session:
                session.execute(select(User.id).where(User.id == user).with_for_update())
                calls = [crowd.submit(write) for _ in range(WRITERS)]
                # One waits for this transaction, and the others for that one's turn.
                wait_until(lambda: session.scalar(_WAITING) and connections(server) >= TRANSACTIONS)
                calls += [crowd.submit(look) for _ in range(READERS)]
                wait_until(lambda: session.scalar(_WAITING) and read[0] > 5 * READERS)
                assert 201 not in answers
            wait_until(lambda: 201 in answers)
        finally:
            stopping.set()
        for call in calls:
            call.result()
    assert answers <= {201, 503}  # a lock is waited for two seconds
    assert TRANSACTIONS <= most[0] <= CONNECTIONS
    document = (ROOT / "docs/pooler.md").read_text("utf-8")
    assert f"a server process: {CONNECTIONS}" in document
