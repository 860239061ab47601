"""Every file of the corpus, uploaded in both ways: what is accepted and how it is served."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

import settings
from images import REFUSALS
from tests import corpus
from tests.live import Bot, done, refused, unchanged
from tests.wire import ROOT

JPEG = "image/jpeg"
KEY = r"image/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.jpeg"


@pytest.fixture
def plain() -> Iterator[requests.Session]:
    """A client without a key, for links and forms."""
    with requests.Session() as session:
        session.trust_env = False
        yield session


def files_of_ours() -> set[str]:
    """Names of stored and half-stored files."""
    folder = settings.load().state_dir / "files"
    return {each.name for each in folder.rglob("*") if each.is_file()} - {"links.key"}


def strays() -> list[Path]:
    """Files that a name could lead to: beside the store, among ours, in the system."""
    places = [
        settings.load().state_dir.parent,
        settings.load().state_dir,
        ROOT,
        Path("/etc/cron.d"),
    ]
    return [file for place in places for file in place.glob("*zq7name*")]


def form_for(bot: Bot, name: str = "a.jpg") -> dict[str, Any]:
    wish = {"type": "image", "fileName": name, "contentType": JPEG}
    form: dict[str, Any] = done(bot.post("/data/presign", wish), 200)
    return form


def send(
    plain: requests.Session, form: dict[str, Any], content: bytes, name: str = "a.jpg"
) -> requests.Response:
    return plain.post(
        form["uploadUrl"], data=form["fields"], files={"file": (name, content, JPEG)}, timeout=30
    )


def require_harmless(answer: requests.Response, content_type: str) -> None:
    """A browser must take it for a picture and nothing else."""
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == content_type
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "sandbox"
    assert answer.headers["Content-Disposition"].partition(";")[0] == "inline"
    assert answer.headers["Cache-Control"].startswith("private")
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "X-Injected" not in answer.headers


@pytest.mark.parametrize("name", corpus.TAKEN)
def test_what_looks_like_a_picture_is_taken_and_served_as_nothing_else(
    bot: Bot, plain: requests.Session, name: str
) -> None:
    content, kind = corpus.content(name), corpus.FILES[name][1]
    uploaded = done(bot.upload(content), 201)
    form = form_for(bot)
    assert send(plain, form, content).status_code == 204
    for data in (uploaded, done(bot.post(f"/data/{form['dataId']}/confirm"), 200)):
        answer = plain.get(data["publicS3Url"], timeout=30)
        require_harmless(answer, kind)
        assert answer.content == content


@pytest.mark.parametrize("name", corpus.REFUSED)
def test_what_is_surely_no_usable_picture_is_refused_whatever_it_is_called(
    bot: Bot, plain: requests.Session, name: str
) -> None:
    content, code, before = corpus.content(name), corpus.FILES[name][2], files_of_ours()
    refusal = "payload_too_large" if code == "image_too_large" else "unsupported_media_type"
    with unchanged():
        details = [refused(bot.upload(content, name="photo.jpg"), refusal)]
    assert files_of_ours() == before
    form = form_for(bot)
    assert send(plain, form, content).status_code == 204
    with unchanged():
        details.append(refused(bot.post(f"/data/{form['dataId']}/confirm"), refusal))
    # What an order would have ended with, in the same words.
    for each in details:
        assert (each["code"], each["message"]) == (code, REFUSALS[str(code)])
        assert each["file"]


def test_an_empty_file_is_refused_by_both_ways(bot: Bot, plain: requests.Session) -> None:
    form, before = form_for(bot), files_of_ours()
    with unchanged():
        refused(bot.upload(b""), "bad_request")
        refused(send(plain, form, b""), "bad_request")
        refused(bot.post(f"/data/{form['dataId']}/confirm"), "upload_missing")
    assert files_of_ours() == before


@pytest.mark.parametrize("name", corpus.NAMES, ids=lambda name: repr(name[:20]))
def test_no_name_leads_anywhere(bot: Bot, plain: requests.Session, name: str) -> None:
    before, photo = files_of_ours(), corpus.content("a photo")
    raw = name.encode()
    body = (
        b'--x\r\nContent-Disposition: form-data; name="type"\r\n\r\nimage\r\n--x\r\n'
        b'Content-Disposition: form-data; name="file"; filename="' + raw + b'"\r\n\r\n'
        b"" + photo + b"\r\n--x--\r\n"
    )
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = bot.send("POST", "/data", data=body, headers=form)
    assert answer.status_code in (201, 400), answer.text
    wish = {"type": "image", "fileName": name, "contentType": JPEG}
    presigned = bot.post("/data/presign", wish)
    assert presigned.status_code in (200, 400), presigned.text
    kept, keys = int(answer.status_code == 201), []
    if kept:
        keys.append(answer.json()["s3Url"].removeprefix("file://storage/"))
    if presigned.status_code == 200:
        keys.append(presigned.json()["fields"]["key"])
        sent = send(plain, presigned.json(), photo, name)
        assert sent.status_code in (204, 400), sent.text
        kept += int(sent.status_code == 204)
    assert not [key for key in keys if not re.fullmatch(KEY, key)]
    for link in [answer.json()["publicS3Url"]] if answer.status_code == 201 else []:
        require_harmless(plain.get(link, timeout=30), JPEG)
    fresh = files_of_ours() - before
    assert len(fresh) == kept
    assert all(re.fullmatch(r"[0-9a-f]{64}\.data", each) for each in fresh)
    assert strays() == []


def test_names_are_not_kept_at_all(bot: Bot, plain: requests.Session) -> None:
    made = done(bot.upload(corpus.content("a photo"), name="zq7name.jpg"), 201)
    answer = plain.get(made["publicS3Url"], timeout=30)
    assert "zq7name" not in str(made) + str(answer.headers)
