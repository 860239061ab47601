"""Balances over HTTP against the customers' own books: too little or too much is found."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from random import Random
from uuid import UUID, uuid4

import pytest

from db import connections, transaction
from db.types import now
from lab.chaos import settling
from lab.chaos.books import Books, Intent, Person
from lab.chaos.client import Client, Tally
from lab.chaos.sandbox_control import SandboxControl
from services import grants, payments
from tests import wire
from tests.factories import make_job, make_user
from tests.live import Server


@pytest.fixture(scope="module")
def client(live_server: Server) -> Iterator[Client]:
    made = Client([live_server.url.removesuffix("/api")], wire.KEY, Tally(), Random(0))
    yield made
    made.close()


def registered(client: Client, books: Books) -> str:
    """Register a visitor with an empty balance and no other records."""
    telegram_id = str(uuid4().int % 10**15)
    body = {"telegramId": telegram_id}
    path = "/users/register-or-login"
    user_id: str = client.call("usersRegisterOrLogin", "POST", path, json=body).body["id"]
    books.people[user_id] = Person(telegram_id)
    return user_id


def test_books_that_agree_lose_nothing(client: Client) -> None:
    books = Books()
    registered(client, books)
    check = settling.balances(books, client)
    assert (check.looked_at, check.losses) == (1, [])


def test_a_payment_or_reward_that_never_came_is_found(client: Client) -> None:
    books = Books()
    inviter, member, critic, buyer = (registered(client, books) for _ in range(4))
    books.people[member].channel = True
    books.people[critic].review = True
    books.people[buyer].inviter_id = inviter
    books.intents["p"] = Intent(buyer, "stripe", Decimal(20), "cs_1")
    books.paid.add("p")
    assert settling.balances(books, client).losses == [
        f"{inviter}: 0.0 tokens, their books say 5.0",
        f"{member}: 0.0 tokens, their books say 5.0",
        f"{critic}: 0.0 tokens, their books say 5.0",
        f"{buyer}: 0.0 tokens, their books say 20.0",
    ]


def test_a_user_or_job_that_is_gone_does_not_end_the_audit(client: Client) -> None:
    books = Books()
    user_id, job_id = str(uuid4()), str(uuid4())
    books.people[user_id] = Person("1", review=True)
    books.jobs[job_id] = user_id
    settling.check_reviews(books, client, SandboxControl("http://127.0.0.1:9"))
    [lost] = settling.balances(books, client).losses
    assert lost.startswith(user_id) and "user_not_found" in lost
    [lost] = settling.downloads(books, client).losses
    assert lost.startswith(job_id) and "job_not_found" in lost


def test_tokens_that_nobody_was_promised_are_found(client: Client) -> None:
    books = Books()
    user_id = registered(client, books)
    with transaction() as session:
        grants.grant(session, UUID(user_id), Decimal(1), key=uuid4().hex, reason="a mistake")
    assert settling.balances(books, client).losses == [
        f"{user_id}: 1.0 tokens, their books say 0.0"
    ]


def test_what_does_not_come_to_rest_is_found(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "QUIET_SECONDS", 0.0)
    user = make_user(5)
    job = make_job(user.id)
    with transaction() as opened:
        payment = payments.open(
            *(opened, user.id), amount_rub=Decimal(200), provider="stripe", plan=None, now=now()
        )
    books = Books(paid={str(payment.id)})
    books.people[str(user.id)] = Person(user.telegram_id, review=True)
    in_progress = settling.wait_until_quiet(connections.engine(), books)
    own = [f"job {job.id}", f"payment {payment.id}", f"review of {user.telegram_id}"]
    assert sorted(in_progress) == sorted(own)
