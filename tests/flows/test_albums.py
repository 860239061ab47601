"""Orders of several photos over HTTP, made by real workers that may be killed in the middle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import requests
from sqlalchemy import select

from db import snapshot, transaction
from db.models import Data, Job
from providers import registry
from services import ledger
from tests.factories import balance, make_job, make_user, stored_image
from tests.job_steps import hurry_retries, live_jobs
from tests.live import Bot, done, refused, unchanged
from tests.wire import wait_until
from tests.workers import start_worker

PRICE = 5


@pytest.fixture(autouse=True)
def _whole_books(no_rows: None) -> Iterator[None]:
    yield
    with snapshot() as session:
        assert not any(ledger.violations(session).values())


def album(user_id: UUID, *photos: Any) -> dict[str, Any]:
    """The body of jobsCreate for these pictures."""
    inputs = [{"type": "image", "dataId": str(photo.id)} for photo in photos]
    return {"userId": str(user_id), "serviceType": "restore", "input": inputs}


def ended(bot: Bot, job: dict[str, Any]) -> dict[str, Any]:
    """The job after its end."""
    path = f"/jobs/{job['id']}"

    def is_over() -> bool:
        hurry_retries()
        return done(bot.get(path), 200)["status"] in ("done", "failed")

    wait_until(is_over, 30)
    found: dict[str, Any] = done(bot.get(path), 200)
    return found


def content(bot: Bot, output: dict[str, Any]) -> bytes:
    """What is behind an entry of the output."""
    link = done(bot.post(f"/data/{output['dataId']}/confirm"), 200)["publicS3Url"]
    return requests.get(link, timeout=30).content


def photo_at_hand(work: Path) -> bytes | None:
    """What a worker with this folder for its files has fetched to make something of."""
    with suppress(FileNotFoundError):  # it may be done with it between two lines
        for photo in work.glob("*/input"):
            return photo.read_bytes()
    return None


def test_an_album_is_an_order_with_a_result_for_each_photo(bot: Bot, tmp_path: Path) -> None:
    user = make_user(3 * PRICE)
    photos = [stored_image(text) for text in (b"one", b"two", b"three")]
    job = done(bot.post("/jobs", album(user.id, *photos)), 201)
    assert (job["status"], job["priceRub"], job["tokensReserved"]) == ("queued", 150, 3 * PRICE)
    with start_worker(tmp_path):
        job = ended(bot, job)
    assert (job["status"], job["progress"], job["tokensConsumed"]) == ("done", 100, 3 * PRICE)
    assert [content(bot, each) for each in job["output"]] == [b"onedone", b"twodone", b"threedone"]
    assert [each["meta"]["engine"] for each in job["output"]] == ["quick"] * 3
    assert requests.get(job["resultUrl"], timeout=30).content == b"onedone"
    (listed,) = done(bot.get("/jobs", userId=user.id), 200)
    assert listed["output"] == job["output"]
    assert balance(user.id) == 0


def test_what_could_not_be_made_is_paid_back_and_says_why(bot: Bot, tmp_path: Path) -> None:
    user = make_user(3 * PRICE)
    gone, first, second = (stored_image(text) for text in (b"gone", b"first", b"second"))
    job = done(bot.post("/jobs", album(user.id, gone, first, second)), 201)
    registry.storage().delete(gone.storage_key)
    with start_worker(tmp_path):
        job = ended(bot, job)
    assert (job["status"], job["tokensReserved"], job["tokensConsumed"]) == ("done", 0, 2 * PRICE)
    lost, *made = job["output"]
    assert lost.keys() == {"meta"} and lost["meta"]["error"]["code"] == "input_gone"
    assert [content(bot, each) for each in made] == [b"firstdone", b"seconddone"]
    assert requests.get(job["resultUrl"], timeout=30).content == b"firstdone"
    rows = done(bot.get("/transactions", userId=user.id), 200)[:2]
    assert [(row["type"], row["tokensDelta"]) for row in rows] == [
        ("refund", PRICE),
        ("charge", -3 * PRICE),
    ]
    assert rows[0]["meta"] == {"reason": "failed", "failedPhotos": 1}
    assert balance(user.id) == PRICE


def test_an_album_has_at_most_ten_photos(bot: Bot) -> None:
    user, photo = make_user(10 * PRICE), stored_image(b"one")
    with unchanged():
        refused(bot.post("/jobs", album(user.id, *[photo] * 11)), "bad_request")
    job = done(bot.post("/jobs", album(user.id, *[photo] * 10)), 201)
    assert job["tokensReserved"] == 10 * PRICE
    done(bot.post(f"/jobs/{job['id']}/cancel"), 200)
    assert balance(user.id) == 10 * PRICE


def test_kill_9_in_the_middle_of_an_album_keeps_what_is_finished(bot: Bot, tmp_path: Path) -> None:
    user = make_user(2 * PRICE)
    job = done(
        bot.post("/jobs", album(user.id, stored_image(b"quick"), stored_image(b"slow"))), 201
    )
    with start_worker(tmp_path) as doomed:
        wait_until(lambda: done(bot.get(f"/jobs/{job['id']}"), 200)["progress"] >= 50, 30)
        doomed.kill()
    with snapshot() as session:
        (kept,) = session.scalars(select(Job.results).where(Job.id == UUID(job["id"]))).one()
    with start_worker(tmp_path):
        job = ended(bot, job)
    assert job["output"][0]["dataId"] == kept["dataId"]
    assert [content(bot, each) for each in job["output"]] == [b"quickdone", b"slowdone"]
    assert (job["tokensConsumed"], balance(user.id)) == (2 * PRICE, 0)


def test_a_stopping_worker_ends_its_photo_and_leaves_the_rest_to_others(
    bot: Bot, tmp_path: Path
) -> None:
    user = make_user(3 * PRICE)
    photos = [stored_image(text) for text in (b"quick", b"slow", b"quick")]
    job = done(bot.post("/jobs", album(user.id, *photos)), 201)
    path = f"/jobs/{job['id']}"
    work = tmp_path / "work"
    work.mkdir()
    with start_worker(tmp_path, TMPDIR=str(work)) as stopped:
        # Not by the progress, which says that the first is done before the second is begun.
        wait_until(lambda: photo_at_hand(work) == b"slow", 30)
        assert stopped.stop() and stopped.exit_code() == 0
        left = done(bot.get(path), 200)
        assert (left["status"], left["progress"], left["output"]) == ("queued", 66, [])
    with start_worker(tmp_path):
        job = ended(bot, job)
    assert [content(bot, each) for each in job["output"]] == [
        b"quickdone",
        b"slowdone",
        b"quickdone",
    ]
    with snapshot() as session:
        tries = session.execute(
            select(Job.attempt, Job.releases).where(Job.id == UUID(job["id"]))
        ).one()
    assert tuple(tries) == (2, 1)


def test_kill_9_of_workers_under_albums_loses_no_photo_and_no_token(
    chance: Any, tmp_path: Path
) -> None:
    users = [make_user(PRICE * 12) for _ in range(3)]
    picture = stored_image(b"risky")
    ordered = [
        make_job(user.id, photos=photos, data_id=picture.id).id
        for user in users
        for photos in (1, 2, 3, 3, 3)
    ]
    crew = [start_worker(tmp_path) for _ in range(2)]
    try:
        for _ in range(40):
            left = live_jobs()
            if not left:
                break
            wait_until(lambda left=left: hurry_retries() or live_jobs() < left, 30)
            victim = chance.randrange(len(crew))
            crew[victim].kill()
            crew[victim] = start_worker(tmp_path)
        assert not live_jobs()
    finally:
        for process in crew:
            process.kill()
    with transaction() as session:
        jobs = session.scalars(select(Job).where(Job.id.in_(ordered))).all()
        stored = set(session.scalars(select(Data.id).where(Data.status == "confirmed")))
    consumed = 0
    for job in jobs:
        made = [UUID(each["dataId"]) for each in job.output if "dataId" in each]
        assert (job.status, set(made) <= stored) == ("done" if made else "failed", True)
        assert len(job.output) == (job.photos if made else 0)
        assert len(set(made)) == len(made)
        assert job.tokens_consumed == PRICE * len(made)
        consumed += len(made)
    assert sum(balance(user.id) for user in users) == PRICE * (36 - consumed)
