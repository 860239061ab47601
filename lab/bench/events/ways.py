"""Three ways to learn that an order has ended, tried on the same orders at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any

from lab.bench import world
from lab.bench.events.receiver import Receiver
from lab.bench.operations import API_KEY
from lab.bench.page import table
from local.client import Client
from local.processes import ROOT

PHOTO = ROOT / "local/samples/portrait.jpg"
POLL_SECONDS = 2
WAIT_SECONDS = 25
DEADLINE_SECONDS = 40
ENDED = ("done", "failed")


@dataclass
class Way:
    """requests: of the bot, after it has ordered. posts: to the bot. learned_at: the Unix time at
    which it knew of an order's end and had the link to the result, by the order's id.
    """

    name: str
    requests: int = 0
    posts: int = 0
    learned_at: dict[str, float] = field(default_factory=dict)

    def row(self, ended: dict[str, float]) -> list[str]:
        """Its row of the table. ended: the Unix time at which each order did."""
        late = [learned - ended[job] for job, learned in self.learned_at.items()]
        return [
            self.name,
            f"{self.requests / len(self.learned_at):.1f}",
            f"{self.posts / len(self.learned_at):.1f}",
            f"{median(late):.1f}",
            f"{max(late):.1f}",
        ]


def measure(port: int, receiver: Receiver, orders: int) -> str:
    """Order at once, a customer each, and watch in all three ways until all orders have ended."""
    with Client(f"http://127.0.0.1:{port}/api", API_KEY) as client:
        begun = time.monotonic()
        jobs = [_order(client, number) for number in range(orders)]
        polled = Way(f"asks for each order every {POLL_SECONDS} s")
        pulled = Way(f"reads events, waiting up to {WAIT_SECONDS} s")
        posted = Way("has events posted, and asks for the link")
        ended: dict[str, float] = {}
        with ThreadPoolExecutor(3) as pool:
            watching = [
                pool.submit(_poll, client, polled, jobs),
                pool.submit(_pull, client, pulled, jobs, ended),
                pool.submit(_take_posts, client, posted, jobs, receiver),
            ]
            for watch in watching:
                watch.result()
    head = ["The bot", "requests for a finished order", "posts to it", "told after s", "at most"]
    rows = [way.row(ended) for way in (polled, pulled, posted)]
    return (
        f"{orders} orders at once of a portrait to be restored, one worker, all ended after"
        f" {time.monotonic() - begun:.0f} s. Beside these, an order takes two requests in each"
        f" way, for the photo and for itself.\n\n{table(head, rows)}"
    )


def _order(client: Client, number: int) -> str:
    form = {"type": (None, "image"), "file": ("a.jpg", PHOTO.read_bytes())}
    photo = _asked(client, "POST", "/data", files=form)
    user = str(world.identifier(f"user-{number}"))
    picture = {"type": "image", "dataId": photo["id"]}
    body = {"userId": user, "serviceType": "restore", "input": [picture]}
    job: str = _asked(client, "POST", "/jobs", json=body)["id"]
    return job


def _poll(client: Client, way: Way, jobs: list[str]) -> None:
    for _ in _until(lambda: len(way.learned_at) == len(jobs), pause=POLL_SECONDS):
        for job in jobs:
            if job not in way.learned_at:
                way.requests += 1
                if _asked(client, "GET", f"/jobs/{job}")["status"] in ENDED:
                    way.learned_at[job] = time.time()


def _pull(client: Client, way: Way, jobs: list[str], ended: dict[str, float]) -> None:
    after = 0
    for _ in _until(lambda: len(way.learned_at) == len(jobs), pause=0):
        way.requests += 1
        query = {"after": after, "wait": WAIT_SECONDS}
        for event in _asked(client, "GET", "/events", params=query):
            after = event["sequence"]
            if job := _ended_job(event):
                ended[job] = datetime.fromisoformat(event["createdAt"]).timestamp()
                way.learned_at[job] = time.time()


def _take_posts(client: Client, way: Way, jobs: list[str], receiver: Receiver) -> None:
    for _ in _until(lambda: len(way.learned_at) == len(jobs), pause=0.02):
        for post in receiver.posts[way.posts :]:
            way.posts += 1
            if job := _ended_job(post.event):
                way.requests += 1
                _asked(client, "GET", f"/jobs/{job}")
                way.learned_at[job] = time.time()


def _ended_job(event: dict[str, Any]) -> str | None:
    job: dict[str, str] = event.get("job", {})
    return job["id"] if job.get("status") in ENDED else None


def _until(fact: Callable[[], bool], *, pause: float) -> Any:
    """Turns until the fact; TimeoutError when that takes too long."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not fact():
        if time.monotonic() > deadline:
            raise TimeoutError(f"orders still run after {DEADLINE_SECONDS} s")
        time.sleep(pause)
        yield


def _asked(client: Client, method: str, path: str, **options: Any) -> Any:
    answer = client.send(method, path, **options)
    answer.raise_for_status()
    return answer.json()
