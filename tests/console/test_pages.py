"""What all pages have: headers, files of their authors, an answer when something is away."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text

import settings
from console import texts
from console.__main__ import Console
from console.assets import STATIC
from db import browsing, session, transaction
from errors import ApiError
from providers import registry
from tests.console.browsing import World, world
from tests.databases import forget_connections

VENDOR = STATIC / "vendor"


def test_the_files_of_others_are_those_of_their_authors() -> None:
    lock = json.loads((VENDOR / "lock.json").read_text())
    listed = {name: f["sha256"] for each in lock.values() for name, f in each["files"].items()}
    ours = {"lock.json", "tabler.LICENSE"}  # Tabler's package brings no text of its licence
    assert listed == {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in VENDOR.iterdir()
        if file.name not in ours
    }
    notice = (STATIC.parents[1] / "NOTICE").read_text()
    assert all(each["version"] in notice for each in lock.values())


@pytest.mark.parametrize("path", ["/login", "/no/such/page", "/reviews/"])
def test_every_answer_is_closed_to_other_sites(console: World, path: str) -> None:
    headers = console.operator("support").get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy and "style-src 'self';" in policy
    assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("endpoint", "origin"),
    [("", "https://s3.eu-central-1.amazonaws.com"), ("https://s3.example:9000", None)],
)
def test_pictures_come_from_the_store_and_from_nowhere_else(
    console: World, monkeypatch: pytest.MonkeyPatch, endpoint: str, origin: str | None
) -> None:
    bucket = {"S3_BUCKET": "photos", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    place = {"S3_REGION": "eu-central-1", "S3_ENDPOINT_URL": endpoint}
    with monkeypatch.context() as changed:
        for name, value in (bucket | place).items():
            changed.setenv(name, value)
        settings.load.cache_clear()
        registry.storage.cache_clear()
        with world() as other:
            policy = other.guest().get("/login").headers["Content-Security-Policy"]
    settings.load.cache_clear()
    registry.storage.cache_clear()
    assert f"img-src 'self' data: {origin or endpoint};" in policy
    assert f"media-src 'self' {origin or endpoint};" in policy


def test_files_are_kept_for_as_long_as_they_are_the_same(console: World) -> None:
    guest = console.guest()
    address = guest.get("/login").text.partition('href="/static/console.css')[2].partition('"')[0]
    for version, kept in ((address, "immutable"), ("?v=old", "no-cache")):
        with guest.get(f"/static/console.css{version}") as answer:
            assert answer.data and kept in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    "path",
    [
        "/static/../texts.py",
        "/static/%2e%2e/texts.py",
        "/static/..%2f..%2f.env",
        "/static//etc/passwd",
        "/static/vendor/../../app.py",
        "/reviews/../static/../app.py",
        "/join/../../etc/passwd",
        "/%00",
        "/reviews/not-a-uuid",
    ],
)
def test_no_path_leads_to_what_is_no_page(console: World, path: str) -> None:
    assert console.operator("admin").get(path).status_code in (308, 404)


def test_an_address_that_no_page_gave_is_refused(console: World) -> None:
    answer = console.operator("support").get("/reviews/?state=stolen")
    assert answer.status_code == 400 and "<h1" in answer.text


@pytest.mark.parametrize("query", ["done=%00", "done=x", "done=" + "k" * 9999, "done=%ed%a0%80"])
def test_a_result_that_no_form_had_is_not_there(console: World, query: str) -> None:
    assert console.operator("viewer").get(f"/?{query}").status_code == 200


def test_with_the_database_away_a_page_says_so_and_comes_back_with_it(
    console: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = console.operator("support")
    with _elsewhere("postgresql://nobody@127.0.0.1:1/none", monkeypatch):
        answer = visitor.get("/reviews/")
    assert (answer.status_code, texts.AWAY in answer.text) == (503, True)
    assert visitor.get("/reviews/").status_code == 200


def test_what_takes_too_long_asks_for_less(console: World, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = console.operator("support")
    monkeypatch.setattr(session, "PAGE_TIMEOUT", "50ms")
    with transaction() as locker:
        locker.execute(text("LOCK TABLE reviews"))
        answer = visitor.get("/reviews/")
    assert (answer.status_code, texts.TOO_MUCH in answer.text) == (503, True)


def test_a_page_cannot_write() -> None:
    with pytest.raises(ApiError), browsing() as reader:
        reader.execute(text("DELETE FROM form_keys"))


@contextmanager
def _elsewhere(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The database of this process is at another address."""
    with monkeypatch.context() as changed:
        changed.setenv("DATABASE_URL", url)
        settings.load.cache_clear()
        forget_connections()
        yield
    settings.load.cache_clear()
    forget_connections()


def test_no_header_of_a_visitor_changes_the_path() -> None:
    """By default gunicorn takes SCRIPT_NAME and PATH_INFO from a proxy on this machine."""
    assert Console().cfg.forwarder_headers == []
