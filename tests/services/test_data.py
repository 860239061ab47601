"""Files whose time is over, and those that a live order still needs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

import settings
from db import snapshot, transaction
from db.models import Data
from services import data, jobs
from tests.factories import make_image, make_user

THEN = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def kept_for_a_day(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """DATA_TTL_HOURS is 24."""
    monkeypatch.setenv("DATA_TTL_HOURS", "24")
    settings.load.cache_clear()
    yield
    monkeypatch.undo()
    settings.load.cache_clear()


def status(data_id: UUID) -> str:
    with snapshot() as session:
        row = session.get(Data, data_id)
        assert row is not None
        return row.status


def expire(days: float) -> None:
    """The duty, so many days after THEN."""
    with transaction() as session:
        data.expire(session, now=THEN + timedelta(days=days))


def test_a_file_goes_after_its_time(kept_for_a_day):
    file = make_image(created_at=THEN)
    expire(0.9)
    assert status(file.id) == "confirmed"
    expire(1.1)
    assert status(file.id) == "deleted"


def test_every_photo_of_a_live_order_stays_and_goes_when_the_order_has_ended(kept_for_a_day):
    photos = [make_image(created_at=THEN) for _ in range(3)]
    with transaction() as session:
        job = jobs.create(
            session,
            make_user().id,
            service_type="restore",
            input=[{"type": "image", "dataId": str(photo.id)} for photo in photos[:2]],
        )
    expire(2)
    assert [status(photo.id) for photo in photos] == ["confirmed", "confirmed", "deleted"]
    with transaction() as session:
        jobs.cancel(session, job.id)
    expire(2)
    assert {status(photo.id) for photo in photos} == {"deleted"}


def test_a_photo_that_an_order_is_about_to_take_stays(kept_for_a_day):
    photo = make_image(created_at=THEN)
    with transaction() as session:
        jobs.create(
            session,
            make_user(100).id,
            service_type="restore",
            input=[{"type": "image", "dataId": str(photo.id)}],
        )
        expire(2)
    assert status(photo.id) == "confirmed"


def test_a_photo_named_in_capitals_stays_too(kept_for_a_day):
    photo = make_image(created_at=THEN)
    named = {"type": "image", "dataId": str(photo.id).upper()}
    with transaction() as session:
        job = jobs.create(session, make_user().id, service_type="restore", input=[named])
    assert job.input == [{"type": "image", "dataId": str(photo.id)}]
    expire(2)
    assert status(photo.id) == "confirmed"


def test_files_are_kept_for_ever_unless_asked_otherwise():
    file = make_image(created_at=THEN, purpose="photo")
    expire(4000)
    assert status(file.id) == "confirmed"


def test_an_upload_that_nobody_confirmed_goes_after_a_day():
    with transaction() as session:
        row = data.reserve(session, "image", content_type="image/jpeg", now=THEN)
    expire(0.9)
    assert status(row.id) == "pending"
    expire(1.1)
    assert status(row.id) == "deleted"


def test_each_purpose_has_a_time_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day for photos, a week for uploads nobody ordered with, a month for results."""
    for name, hours in (("DATA", 240), ("UNUSED_UPLOAD", 24), ("RESULT", 720)):
        monkeypatch.setenv(f"{name}_TTL_HOURS", str(hours))
    settings.load.cache_clear()
    files = {
        purpose: make_image(created_at=THEN, purpose=purpose)
        for purpose in ("unused", "photo", "result", "unknown")
    }
    ordered = make_image(created_at=THEN)
    with transaction() as session:
        item = {"type": "image", "dataId": str(ordered.id)}
        job = jobs.create(session, make_user().id, service_type="restore", input=[item])
    kept = []
    for days in (0.9, 1.1, 9, 11, 29, 31):
        expire(days)
        kept.append([name for name, file in files.items() if status(file.id) == "confirmed"])
    assert kept == [
        ["unused", "photo", "result", "unknown"],
        *[["photo", "result", "unknown"]] * 2,
        *[["result", "unknown"]] * 2,  # nobody noted what it is for: it may be a result
        [],
    ]
    assert status(ordered.id) == "confirmed", "a live order needs it"
    with transaction() as session:
        jobs.cancel(session, job.id)
    expire(9)
    assert status(ordered.id) == "confirmed", "it was used, so it is a photo"
    expire(11)
    assert status(ordered.id) == "deleted"
    monkeypatch.undo()
    settings.load.cache_clear()


def test_an_upload_nobody_ordered_with_goes_after_a_week_unless_that_is_switched_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file, photo = make_image(created_at=THEN), make_image(created_at=THEN, purpose="photo")
    monkeypatch.setenv("UNUSED_UPLOAD_TTL_HOURS", "0")
    settings.load.cache_clear()
    expire(9999)
    assert status(file.id) == "confirmed"
    monkeypatch.undo()
    settings.load.cache_clear()
    expire(8)
    assert (status(file.id), status(photo.id)) == ("deleted", "confirmed")
