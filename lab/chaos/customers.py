"""Customers who never stop: each thread plays one visitor after another.

They use the public contract only, and record in their books what they got as responses.
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

from lab.chaos.books import Books, Intent, Person
from lab.chaos.client import Answer, Client, FailedError
from lab.chaos.sandbox_control import PROVIDERS, SandboxControl
from local.simulation import CHANNEL

ACTIONS = 40  # of one visitor
PAUSE_SECONDS = 0.1  # the longest between two actions
PHOTO = (Path(__file__).parents[2] / "local/samples/tiny_portrait_150px.jpg").read_bytes()
LARGE_BYTES = 300_000  # more than a full disk leaves
AMOUNTS_RUB = (50, 100, 200)
FIRST_TELEGRAM_ID = 5_000_000_000


class Visitor:
    """One person: what they have, and everything they may do."""

    def __init__(
        self, client: Client, control: SandboxControl, books: Books, chance: Random
    ) -> None:
        self._client = client
        self._control = control
        self._books = books
        self._chance = chance
        self._photos: list[str] = []
        self._orders: list[str] = []
        self.id = ""
        self.person: Person

    def register(self, telegram_id: str) -> None:
        """Register, perhaps invited by somebody."""
        known = list(self._books.people)
        inviter = self._chance.choice(known) if known and self._chance.random() < 0.4 else None
        body = {"telegramId": telegram_id}
        if inviter:
            link = self._ask("referralsGetLink", f"/referrals/link?userId={inviter}").body
            body["refCode"] = link["refLink"].rpartition("=")[2]
        user = self._create("usersRegisterOrLogin", "/users/register-or-login", body, "id")
        self.id, self.person = user["id"], Person(telegram_id, inviter)
        self._books.people[self.id] = self.person
        consent = {"consentPd": True}
        self._client.call("usersUpdateConsent", "PATCH", f"/users/{self.id}/consent", json=consent)

    def act(self) -> None:
        """Do one thing, chosen at random by weight."""
        actions = (
            (self.order, 6),
            (self.pay, 4),
            (self.upload, 3),
            (self.upload_by_form, 2),
            (self.cancel, 2),
            (self.read, 5),
            (self.join_channel, 1),
            (self.write_review, 1),
        )
        (action,) = self._chance.choices(
            [each for each, _ in actions], [weight for _, weight in actions]
        )
        action()

    def upload(self) -> None:
        """Upload a photo through the server."""
        content = self._photo()
        form = {"type": (None, "image"), "file": ("photo.jpg", content)}
        self._record_upload(
            self._client.call("dataUploadMultipart", "POST", "/data", files=form), content
        )

    def upload_by_form(self) -> None:
        """Upload a photo straight to the storage, with a form signed by the server."""
        content = self._photo()
        body = {"type": "image", "fileName": "photo.jpg", "contentType": "image/jpeg"}
        form = self._create("dataGetPresign", "/data/presign", body, "dataId")
        parts: dict[str, Any] = {name: (None, text) for name, text in form["fields"].items()}
        parts["file"] = ("photo.jpg", content)
        self._client.call("upload by form", "POST", form["uploadUrl"], files=parts)
        path = f"/data/{form['dataId']}/confirm"
        self._record_upload(self._client.call("dataConfirmUpload", "POST", path), content)

    def order(self) -> None:
        """Order a restoration, seldom an animation or an album, often by a model of a provider."""
        if not self._photos:
            self.upload()
        photos = self._chance.choices(self._photos, k=self._chance.choice((1, 1, 1, 1, 3)))
        pictures = [{"type": "image", "dataId": photo} for photo in photos]
        kind = "animate" if self._chance.random() < 0.1 else "restore"
        body = {"userId": self.id, "serviceType": kind, "input": pictures}
        if kind == "restore" and len(pictures) == 1 and self._chance.random() < 0.4:
            body["modelId"] = self._model()
        job = self._create("jobsCreate", "/jobs", body, "id")
        self._books.jobs[job["id"]] = self.id
        self._orders.append(job["id"])

    def _model(self) -> str:
        """A model that restores and is not the default one."""
        offered = self._ask("modelsList", "/models?serviceType=restore").body
        chosen: str = self._chance.choice([m["id"] for m in offered if not m["isDefault"]])
        return chosen

    def cancel(self) -> None:
        """Cancel the newest order, if no worker has taken it yet."""
        if not self._orders:
            return
        job_id, refusals = self._orders.pop(), ("job_not_cancellable",)
        path = f"/jobs/{job_id}/cancel"
        if self._client.call("jobsCancel", "POST", path, refusals=refusals).ok:
            self._books.cancelled.add(job_id)

    def pay(self) -> None:
        """Open a payment page at one of the providers; most customers pay."""
        provider, amount = self._chance.choice(PROVIDERS), self._chance.choice(AMOUNTS_RUB)
        body = {"userId": self.id, "provider": provider, "amountRub": amount}
        made = self._create("paymentsCreateIntent", "/payments/intents", body, "id")
        intent = Intent(self.id, provider, Decimal(str(made["tokens"])), made["reference"])
        self._books.intents[made["id"]] = intent
        if self._chance.random() < 0.85:
            telegram_id = self.person.telegram_id
            if self._control.pay(intent, made["paymentUrl"], telegram_id):
                self._books.paid.add(made["id"])

    def join_channel(self) -> None:
        """Join the channel and claim its bonus, which is given once."""
        if not self.person.channel:
            self._control.join_channel(self.person.telegram_id)
        body = {"userId": self.id, "telegramId": self.person.telegram_id}
        body["channelUsername"] = str(CHANNEL["username"])
        path = "/subscriptions/check-channel"
        if self._client.call("subscriptionsCheckChannel", "POST", path, json=body).body["isMember"]:
            self.person.channel = True

    def write_review(self) -> None:
        """Write a review and claim its bonus, which is given once; it takes time to arrive."""
        if not self.person.review:
            self._control.post_review(self.person.telegram_id)
            self.person.review = True
        self.is_review_found()

    def is_review_found(self) -> bool:
        """Whether the review has arrived; this request grants its bonus."""
        body = {"userId": self.id}
        found: bool = self._client.call("reviewsCheck", "POST", "/reviews/check", json=body).body[
            "found"
        ]
        return found

    def read(self) -> None:
        """Read something."""
        paths = {
            "usersGetById": f"/users/{self.id}",
            "usersGetBalance": f"/users/{self.id}/balance",
            "jobsList": f"/jobs?userId={self.id}&limit=5",
            "transactionsList": f"/transactions?userId={self.id}&limit=5",
            "referralsStats": f"/referrals/stats?userId={self.id}",
            "tariffsList": "/tariffs",
        }
        operation = self._chance.choice(list(paths))
        answer = self._ask(operation, paths[operation])
        if answer.next_page:
            self._ask(operation, answer.next_page.partition("/v1")[2])

    def _ask(self, operation: str, path: str) -> Answer:
        return self._client.call(operation, "GET", path)

    def _create(self, operation: str, path: str, body: dict[str, Any], identifier: str) -> Any:
        """Create something; now and then twice with the same key."""
        key = str(UUID(int=self._chance.getrandbits(128)))
        for _ in range(1 if self._chance.random() < 0.8 else 2):
            answer = self._client.call(operation, "POST", path, key=key, json=body)
            self._books.answers[key].add(answer.body[identifier])
        return answer.body

    def _photo(self) -> bytes:
        """A unique file: decoders ignore the random bytes after the picture."""
        size = LARGE_BYTES if self._chance.random() < 0.15 else 16
        return PHOTO + self._chance.randbytes(size)

    def _record_upload(self, stored: Answer, content: bytes) -> None:
        data_id = stored.body["id"]
        self._photos.append(data_id)
        self._books.uploads[data_id] = hashlib.sha256(content).hexdigest()


class Customers:
    """`number` of them at a time. make_client: called with a random generator of its own.

    first_id: their telegramIds go up from it.
    """

    def __init__(
        self,
        number: int,
        seed: int,
        *,
        make_client: Callable[[Random], Client],
        control: SandboxControl,
        books: Books,
        first_id: int = FIRST_TELEGRAM_ID,
    ) -> None:
        self.books = books
        self._number = number
        self._seed = seed
        self._make_client = make_client
        self._control = control
        self._ids = itertools.count(first_id)
        self._stopping = threading.Event()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Run them during the block, and until each has finished what they are doing."""
        with ThreadPoolExecutor(self._number) as pool:
            futures = [pool.submit(self._run, each) for each in range(self._number)]
            try:
                yield
            finally:
                self._stopping.set()
            for future in futures:
                future.result()

    def _run(self, number: int) -> None:
        chance = Random(f"{self._seed} {number}")
        client = self._make_client(chance)
        while not self._stopping.is_set():
            visitor = Visitor(client, self._control, self.books, chance)
            try:
                visitor.register(str(next(self._ids)))
                for _ in range(ACTIONS):
                    if self._stopping.is_set():
                        break
                    visitor.act()
                    time.sleep(chance.uniform(0, PAUSE_SECONDS))
            except FailedError:
                continue  # already counted; go on with the next visitor
        client.close()
