"""Tag Data: files of every kind, uploaded in both ways and downloaded through signed links."""

from __future__ import annotations

import io
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import imageio_ffmpeg
import pytest
import requests
from PIL import Image
from sqlalchemy import update

import settings
from db import transaction
from db.models import Data
from providers import registry
from providers.storage.disk import DiskStorage
from services.media import UPLOAD_LIMITS
from tests.live import Bot, done, refused, unchanged
from tests.threads import at_once

SAMPLES = Path(__file__).parents[2] / "local/samples"
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
PHOTO = (SAMPLES / "tiny_portrait_150px.jpg").read_bytes()
TEXT = "Пусть бабушка улыбнётся".encode()
MIB = 1024 * 1024

# file -> the type it may be sent as, and the content type it is then kept as
TAKEN = {
    "a.jpg": ("image", "image/jpeg"),
    "a.png": ("image", "image/png"),
    "a.webp": ("image", "image/webp"),
    "a.heic": ("image", "image/heic"),
    "a.mp4": ("video", "video/mp4"),
    "a.webm": ("video", "video/webm"),
    "a.mov": ("video", "video/quicktime"),
    "a.mp3": ("audio", "audio/mpeg"),
    "a.ogg": ("audio", "audio/ogg"),
    "a.wav": ("audio", "audio/x-wav"),
    "a.m4a": ("audio", "audio/mp4"),
    "a.aac": ("audio", "audio/aac"),
    "a.flac": ("audio", "audio/x-flac"),
    "a.txt": ("text", "text/plain"),
}
# file -> types it is refused as
REFUSED = {
    "a.gif": ("image", "video", "text"),
    "a.bmp": ("image",),
    "a.tiff": ("image",),
    "a.svg": ("image",),
    "a.html": ("image", "video", "audio"),
    "a.pdf": ("image", "text"),
    "a.zip": ("image", "text"),
    "a.elf": ("image", "text"),
    "a.mkv": ("video",),
    "a.avi": ("video",),
    "latin-1.txt": ("text",),
    "a.jpg": ("video", "audio", "text"),
    "a.mp4": ("image", "audio", "text"),
    "a.ogg": ("image", "video", "text"),
    "a.txt": ("image", "video", "audio"),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A small valid file of each kind, by name."""
    folder = tmp_path_factory.mktemp("files")
    pictures = ["-f", "lavfi", "-i", "testsrc=size=64x64:rate=5:duration=0.4"]
    sound = ["-f", "lavfi", "-i", "sine=duration=0.2"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *pictures, *sound]
    for name in ("a.mp4", "a.webm", "a.mov", "a.mkv", "a.avi", "a.gif"):
        command += ["-map", "0", str(folder / name)]
    for name in ("a.mp3", "a.ogg", "a.wav", "a.m4a", "a.aac", "a.flac"):
        command += ["-map", "1", str(folder / name)]
    subprocess.run(command, check=True)
    with Image.open(io.BytesIO(PHOTO)) as photo:
        for name in ("a.png", "a.webp", "a.bmp", "a.tiff"):
            photo.save(folder / name)
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("a.jpg", PHOTO)
    written = {
        "a.jpg": PHOTO,
        "a.heic": (SAMPLES / "portrait.heic").read_bytes(),
        "a.txt": TEXT,
        "a.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        "a.html": b"<!DOCTYPE html><script>alert(1)</script>",
        "a.pdf": b"%PDF-1.7\n%\x00\xff\n1 0 obj",
        "a.elf": b"\x7fELF\x02\x01\x01" + bytes(57),
        "latin-1.txt": "naïve café".encode("latin-1"),
    }
    return {each.name: each.read_bytes() for each in folder.iterdir()} | written


@pytest.fixture
def plain() -> Iterator[requests.Session]:
    """A client without a key, for signed links and forms."""
    with requests.Session() as session:
        session.trust_env = False
        yield session


def presigned(bot: Bot, data_type: str = "image", **changes: str) -> dict[str, Any]:
    usual = "text/plain" if data_type == "text" else "image/jpeg"
    wish = {"type": data_type, "fileName": "a", "contentType": usual} | changes
    form: dict[str, Any] = done(bot.post("/data/presign", wish), 200)
    return form


def send(
    plain: requests.Session, form: dict[str, Any], content: bytes, **changes: str
) -> requests.Response:
    fields = form["fields"] | {name.replace("_", "-"): value for name, value in changes.items()}
    return plain.post(form["uploadUrl"], data=fields, files={"file": ("a", content)}, timeout=30)


def objects() -> set[str]:
    """Names of all stored and half-stored files."""
    root = settings.load().state_dir / "files"
    return {each.name for each in root.rglob("*") if each.is_file()} - {"links.key"}


def stored(data_id: str) -> Data:
    with transaction() as session:
        return session.get_one(Data, data_id)


@pytest.mark.parametrize("name", TAKEN)
def test_a_file_is_taken_by_both_ways_and_comes_back_whole(
    bot: Bot, plain: requests.Session, files: dict[str, bytes], name: str
) -> None:
    data_type, content_type = TAKEN[name]
    ways = [done(bot.upload(files[name], data_type), 201)]
    for declared in (content_type, "application/octet-stream"):
        form = presigned(bot, data_type, contentType=declared)
        assert send(plain, form, files[name]).status_code == 204
        ways.append(done(bot.post(f"/data/{form['dataId']}/confirm"), 200))

    for made in ways:
        assert (made["type"], made["expiredIn"]) == (data_type, settings.load().link_ttl_seconds)
        assert re.fullmatch(rf"file://storage/{data_type}/{UUID}\.[\w-]+", made["s3Url"])
        answer = plain.get(made["publicS3Url"], timeout=30)
        assert (answer.status_code, answer.content) == (200, files[name])
        assert answer.headers["Content-Type"].partition(";")[0] == content_type
        assert stored(made["id"]).size_bytes == len(files[name])


@pytest.mark.parametrize(
    ("name", "data_type"), [(name, each) for name, types in REFUSED.items() for each in types]
)
def test_a_file_that_is_not_what_it_is_called_leaves_nothing(
    bot: Bot, files: dict[str, bytes], name: str, data_type: str
) -> None:
    before = objects()
    with unchanged():
        details = refused(bot.upload(files[name], data_type), "unsupported_media_type")
    assert details["file"] == f"is not a supported {data_type}"
    assert objects() == before


def test_a_wrong_file_behind_a_right_form_is_never_confirmed(
    bot: Bot, plain: requests.Session, files: dict[str, bytes]
) -> None:
    form = presigned(bot)
    assert send(plain, form, files["a.html"]).status_code == 204
    with unchanged():
        refused(bot.post(f"/data/{form['dataId']}/confirm"), "unsupported_media_type")
    assert send(plain, form, files["a.png"]).status_code == 204
    done(bot.post(f"/data/{form['dataId']}/confirm"), 200)
    assert stored(form["dataId"]).content_type == "image/png"


def test_an_announced_type_must_fit(bot: Bot) -> None:
    wish = {"type": "image", "fileName": "a.jpg"}
    with unchanged():
        for content_type in ("video/mp4", "image/svg+xml", "text/html"):
            answer = bot.post("/data/presign", wish | {"contentType": content_type})
            assert "contentType" in refused(answer, "unsupported_media_type")
        answer = bot.post("/data/presign", wish | {"contentType": "jpeg"})
        assert "contentType" in refused(answer, "bad_request")
    assert presigned(bot, contentType="IMAGE/JPG")["fields"]["Content-Type"] == "image/jpeg"


def test_a_confirmed_file_stays_what_it_is(bot: Bot, plain: requests.Session) -> None:
    form = presigned(bot)
    with unchanged():
        for _ in range(2):
            refused(bot.post(f"/data/{form['dataId']}/confirm"), "upload_missing")
    assert send(plain, form, PHOTO).status_code == 204
    answers = at_once(lambda: bot.post(f"/data/{form['dataId']}/confirm"), 6)
    first = done(answers[0], 200)
    assert {done(answer, 200)["createdAt"] for answer in answers} == {first["createdAt"]}
    assert first["id"] == form["dataId"]
    with unchanged():
        again = done(bot.post(f"/data/{form['dataId']}/confirm"), 200)
    assert again | {"publicS3Url": ""} == first | {"publicS3Url": ""}

    uploaded = done(bot.upload(PHOTO), 201)  # needs no confirmation, which does no harm
    confirmed = done(bot.post(f"/data/{uploaded['id']}/confirm"), 200)
    assert confirmed | {"publicS3Url": ""} == uploaded | {"publicS3Url": ""}


def test_what_is_not_there_cannot_be_confirmed(bot: Bot) -> None:
    gone = done(bot.upload(PHOTO), 201)["id"]
    with transaction() as session:
        session.execute(update(Data).where(Data.id == gone).values(status="deleted"))
    with unchanged():
        assert refused(bot.post(f"/data/{gone}/confirm"), "data_not_found") == {"dataId": gone}
        refused(bot.post(f"/data/{uuid4()}/confirm"), "data_not_found")
        assert "dataId" in refused(bot.post("/data/7/confirm"), "bad_request")


@pytest.mark.parametrize("size", [0, UPLOAD_LIMITS["text"] + 1])
def test_a_file_of_a_wrong_size_that_reached_the_store_is_never_confirmed(
    bot: Bot, size: int
) -> None:
    """Our forms allow none; a bucket whose policy was changed by hand may."""
    form = presigned(bot, "text")
    content = io.BytesIO(b"a" * size)
    registry.storage().put(form["fields"]["key"], content, content_type="text/plain")
    with unchanged():
        refused(bot.post(f"/data/{form['dataId']}/confirm"), "upload_mismatch")


def test_a_form_takes_only_what_it_was_issued_for(bot: Bot, plain: requests.Session) -> None:
    form, other = presigned(bot, "text"), presigned(bot, "text")
    before = objects()
    for changes in (
        {"key": other["fields"]["key"]},
        {"Content_Type": "text/html"},
        {"policy": other["fields"]["policy"]},
        {"policy": form["fields"]["policy"][:-1]},
        {"x_acl": "public"},
    ):
        refused(send(plain, form, TEXT, **changes), "link_invalid")
    refused(send(plain, form, b"a" * (MIB + 1)), "payload_too_large")
    refused(send(plain, form, b""), "bad_request")
    refused(bot.post(f"/data/{form['dataId']}/confirm"), "upload_missing")
    assert objects() == before


@pytest.mark.parametrize("data_type", ["text", "image"])
def test_a_file_over_the_limit_of_its_type_is_refused(bot: Bot, data_type: str) -> None:
    limit, before = UPLOAD_LIMITS[data_type], objects()
    start = TEXT if data_type == "text" else PHOTO
    with unchanged():
        answer = bot.upload(start.ljust(limit + 1, b" "), data_type)
        assert refused(answer, "payload_too_large") == {"maxBytes": limit}
    assert objects() == before
    done(bot.upload(start.ljust(limit, b" "), data_type), 201)


def test_a_file_without_end_is_refused_while_it_arrives(bot: Bot) -> None:
    head = (
        b'--x\r\nContent-Disposition: form-data; name="type"\r\n\r\ntext\r\n'
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    )
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield head
        while sent < 8 * MIB:
            sent += 64 * 1024
            yield b"a" * 64 * 1024

    form = {"Content-Type": "multipart/form-data; boundary=x"}
    with unchanged():
        answer = bot.send("POST", "/data", data=endless(), headers=form)
        # The body has no end: if the server had waited for it, it would be malformed.
        assert refused(answer, "payload_too_large") == {"maxBytes": MIB}


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({"file": ("a", PHOTO)}, "type"),
        ({"type": (None, "image")}, "file"),
        ({"type": (None, "image"), "file": (None, "text")}, "file"),
        ({"type": (None, "picture"), "file": ("a", PHOTO)}, "type"),
        ({"type": (None, "image"), "file": ("a", PHOTO), "user": (None, "1")}, "user"),
        ({"type": (None, "image"), "file": ("a", b"")}, "file"),
    ],
)
def test_a_form_that_is_not_the_contracts_is_refused(bot: Bot, parts: Any, field: str) -> None:
    with unchanged():
        answer = bot.send("POST", "/data", files=parts)
        assert field in refused(answer, "bad_request")


def test_a_link_serves_any_part_of_the_file(bot: Bot, plain: requests.Session) -> None:
    link = done(bot.upload(PHOTO), 201)["publicS3Url"]
    for asked, start, stop in (
        ("bytes=0-3", 0, 4),
        ("bytes=100-", 100, len(PHOTO)),
        ("bytes=-10", len(PHOTO) - 10, len(PHOTO)),
    ):
        answer = plain.get(link, headers={"Range": asked}, timeout=30)
        assert (answer.status_code, answer.content) == (206, PHOTO[start:stop])
        assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(PHOTO)}"
    assert plain.get(link, headers={"Range": "bytes=99999999-"}, timeout=30).status_code == 416
    assert plain.head(link, timeout=30).headers["Content-Length"] == str(len(PHOTO))


def test_a_link_opens_one_file_for_a_while(bot: Bot, plain: requests.Session) -> None:
    mine, other = (done(bot.upload(PHOTO), 201)["publicS3Url"] for _ in range(2))
    place, _, token = mine.rpartition("/")
    claims, _, signature = token.rpartition(".")
    foreign = other.rpartition(".")[2]
    storage = settings.load().state_dir / "files"
    old = DiskStorage(storage, base_url=place.removesuffix("/objects"), clock=lambda: 1e9)
    key = stored(done(bot.upload(PHOTO), 201)["id"]).storage_key
    expired = old.url(key, expires_in=3600, content_type="image/jpeg")
    form = presigned(bot)["fields"]["policy"]
    for link in (
        expired,
        f"{place}/{claims}.{foreign}",
        f"{place}/{claims}.{signature[::-1]}",
        f"{place}/{claims[:-1]}.{signature}",
        f"{place}/{claims}",
        f"{place}/{form}",
    ):
        refused(plain.get(link, timeout=30), "link_invalid")
