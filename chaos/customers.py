"""Customers who never stop: each thread lives one visitor's life after another.

They use the public contract only, and write into their books what they were told.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from chaos.books import Books, Intent, Person
from chaos.client import Client, FailedError, Heard
from chaos.levers import PROVIDERS, Levers
from playground import CHANNEL

ACTS = 40  # in one life
PAUSE_SECONDS = 0.1  # the longest between two acts
PHOTO = (Path(__file__).parents[1] / "samples/tiny_portrait_150px.jpg").read_bytes()
LARGE_BYTES = 300_000  # does not fit into what a full disk leaves
AMOUNTS_RUB = (50, 100, 200)
FIRST_TELEGRAM_ID = 5_000_000_000


class Visitor:
    """One person: what he has, and everything he may do."""

    def __init__(self, client: Client, levers: Levers, books: Books, chance: Random) -> None:
        self._client = client
        self._levers = levers
        self._books = books
        self._chance = chance
        self._photos: list[str] = []
        self._orders: list[str] = []
        self.id = ""
        self.person: Person

    def register(self, telegram_id: str) -> None:
        """Come for the first time, perhaps invited by somebody."""
        known = list(self._books.people)
        inviter = self._chance.choice(known) if known and self._chance.random() < 0.4 else None
        body = {"telegramId": telegram_id}
        if inviter:
            link = self._ask("referralsGetLink", f"/referrals/link?userId={inviter}").body
            body["refCode"] = link["refLink"].rpartition("=")[2]
        user = self._make("usersRegisterOrLogin", "/users/register-or-login", body, "id")
        self.id, self.person = user["id"], Person(telegram_id, inviter)
        self._books.people[self.id] = self.person
        consent = {"consentPd": True}
        self._client.call("usersUpdateConsent", "PATCH", f"/users/{self.id}/consent", json=consent)

    def act(self) -> None:
        """Do something, as often as people do."""
        acts = (
            (self.order, 6),
            (self.pay, 4),
            (self.upload, 3),
            (self.upload_by_form, 2),
            (self.cancel, 2),
            (self.look, 5),
            (self.join, 1),
            (self.praise, 1),
        )
        (act,) = self._chance.choices([each for each, _ in acts], [weight for _, weight in acts])
        act()

    def upload(self) -> None:
        """A photo in a form through the server."""
        content = self._photo()
        form = {"type": (None, "image"), "file": ("photo.jpg", content)}
        self._keep(self._client.call("dataUploadMultipart", "POST", "/data", files=form), content)

    def upload_by_form(self) -> None:
        """A photo straight to the storage, by a form that the server signs."""
        content = self._photo()
        body = {"type": "image", "fileName": "photo.jpg", "contentType": "image/jpeg"}
        form = self._make("dataGetPresign", "/data/presign", body, "dataId")
        parts: dict[str, Any] = {name: (None, text) for name, text in form["fields"].items()}
        parts["file"] = ("photo.jpg", content)
        self._client.call("upload by form", "POST", form["uploadUrl"], files=parts)
        path = f"/data/{form['dataId']}/confirm"
        self._keep(self._client.call("dataConfirmUpload", "POST", path), content)

    def order(self) -> None:
        """A photo restored, seldom animated."""
        if not self._photos:
            self.upload()
        picture = {"type": "image", "dataId": self._chance.choice(self._photos)}
        kind = "animate" if self._chance.random() < 0.1 else "restore"
        body = {"userId": self.id, "serviceType": kind, "input": [picture]}
        job = self._make("jobsCreate", "/jobs", body, "id")
        self._books.jobs[job["id"]] = self.id
        self._orders.append(job["id"])

    def cancel(self) -> None:
        """The newest order taken back, if no worker has it yet."""
        if not self._orders:
            return
        job_id, refusals = self._orders.pop(), ("job_not_cancellable",)
        path = f"/jobs/{job_id}/cancel"
        if self._client.call("jobsCancel", "POST", path, refusals=refusals).ok:
            self._books.cancelled.add(job_id)

    def pay(self) -> None:
        """A payment page at one of the providers, which most people pay on."""
        provider, amount = self._chance.choice(PROVIDERS), self._chance.choice(AMOUNTS_RUB)
        body = {"userId": self.id, "provider": provider, "amountRub": amount}
        told = self._make("paymentsCreateIntent", "/payments/intents", body, "id")
        intent = Intent(self.id, provider, Decimal(str(told["tokens"])), told["reference"])
        self._books.intents[told["id"]] = intent
        if self._chance.random() < 0.85:
            telegram_id = self.person.telegram_id
            if self._levers.pay(intent, told["paymentUrl"], telegram_id):
                self._books.paid.add(told["id"])

    def join(self) -> None:
        """The bonus of the channel, which there is once."""
        if not self.person.channel:
            self._levers.join(self.person.telegram_id)
        body = {"userId": self.id, "telegramId": self.person.telegram_id}
        body["channelUsername"] = str(CHANNEL["username"])
        path = "/subscriptions/check-channel"
        if self._client.call("subscriptionsCheckChannel", "POST", path, json=body).body["isMember"]:
            self.person.channel = True

    def praise(self) -> None:
        """The bonus for a review, which there is once; it takes its time to arrive."""
        if not self.person.review:
            self._levers.praise(self.person.telegram_id)
            self.person.review = True
        self.is_praise_found()

    def is_praise_found(self) -> bool:
        """Whether the review has arrived; its bonus comes with this question."""
        body = {"userId": self.id}
        found: bool = self._client.call("reviewsCheck", "POST", "/reviews/check", json=body).body[
            "found"
        ]
        return found

    def look(self) -> None:
        """Something to read."""
        paths = {
            "usersGetById": f"/users/{self.id}",
            "usersGetBalance": f"/users/{self.id}/balance",
            "jobsList": f"/jobs?userId={self.id}&limit=5",
            "transactionsList": f"/transactions?userId={self.id}&limit=5",
            "referralsStats": f"/referrals/stats?userId={self.id}",
            "tariffsList": "/tariffs",
        }
        operation = self._chance.choice(list(paths))
        heard = self._ask(operation, paths[operation])
        if heard.next_page:
            self._ask(operation, heard.next_page.partition("/v1")[2])

    def _ask(self, operation: str, path: str) -> Heard:
        return self._client.call(operation, "GET", path)

    def _make(self, operation: str, path: str, body: dict[str, Any], identifier: str) -> Any:
        """What was made; now and then asked for again with the same key, for luck."""
        key = str(UUID(int=self._chance.getrandbits(128)))
        for _ in range(1 if self._chance.random() < 0.8 else 2):
            heard = self._client.call(operation, "POST", path, key=key, json=body)
            self._books.heard[key].add(heard.body[identifier])
        return heard.body

    def _photo(self) -> bytes:
        """Unlike any other; decoders stop before what follows the picture."""
        size = LARGE_BYTES if self._chance.random() < 0.15 else 16
        return PHOTO + self._chance.randbytes(size)

    def _keep(self, stored: Heard, content: bytes) -> None:
        data_id = stored.body["id"]
        self._photos.append(data_id)
        self._books.uploads[data_id] = hashlib.sha256(content).hexdigest()


class Customers:
    """`number` of them at a time. make_client: with chance of its own for each."""

    def __init__(
        self,
        number: int,
        seed: int,
        *,
        make_client: Callable[[Random], Client],
        levers: Levers,
        books: Books,
    ) -> None:
        self.books = books
        self._number = number
        self._seed = seed
        self._make_client = make_client
        self._levers = levers
        self._ids = itertools.count(FIRST_TELEGRAM_ID)
        self._stopping = threading.Event()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """For the length of the block, and until each is through with what he is at."""
        with ThreadPoolExecutor(self._number) as pool:
            lives = [pool.submit(self._live, each) for each in range(self._number)]
            try:
                yield
            finally:
                self._stopping.set()
            for life in lives:
                life.result()

    def _live(self, number: int) -> None:
        chance = Random(f"{self._seed} {number}")
        client = self._make_client(chance)
        while not self._stopping.is_set():
            visitor = Visitor(client, self._levers, self.books, chance)
            try:
                visitor.register(str(next(self._ids)))
                for _ in range(ACTS):
                    if self._stopping.is_set():
                        break
                    visitor.act()
                    time.sleep(chance.uniform(0, PAUSE_SECONDS))
            except FailedError:
                continue  # counted where it happened; the next one tries his luck
        client.close()
