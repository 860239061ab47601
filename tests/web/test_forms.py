"""Uploads over the wire: streamed, limited by type, refused with a reason that arrives."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.web.forms import BAD_FORMS, FILE, PNG, TYPE, form
from tests.wire import IN_TIME_SECONDS, KEY, Answer, Server, wait_until

MIB = 1024 * 1024


def upload(server: Server, body: bytes, *, chunked: bool = False, boundary: str = "BB") -> Answer:
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return server.request("POST", "/api/v1/data", body, headers, chunked=chunked)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("parts", [(TYPE, FILE), (FILE, TYPE)], ids=["type first", "file first"])
def test_a_form_reaches_the_handler(server: Server, parts: Any, chunked: bool) -> None:
    answer = upload(server, form(*parts), chunked=chunked)
    assert answer.status == 201
    assert answer.seen == {
        "body": {"type": "image"},
        "file": {"size": len(PNG), "read": len(PNG), "head": PNG[:8].hex()},
    }


def with_lf(*parts: tuple[str, bytes | None, bytes]) -> bytes:
    """A form whose own lines end with LF; the contents stay as they are."""
    marked = [(name, filename, b"<%d>" % n) for n, (name, filename, _) in enumerate(parts)]
    body = form(*marked).replace(b"\r\n", b"\n")
    for number, (_, _, content) in enumerate(parts):
        body = body.replace(b"<%d>" % number, content)
    return body


LINES = b"\r\n--B\r\n\n--B\n-BB--\r\n\r\r\n\n"
PHOTO = ("file", b"a.png", PNG + LINES * 5000 + b"\r")
GOOD_FORMS: dict[str, bytes] = {
    "a preamble": b"This is a message with multiple parts in MIME format.\r\n" + form(TYPE, PHOTO),
    "an empty line first": b"\r\n" + form(TYPE, PHOTO),
    "a boundary inside a line": b"no --BB\r\n--BBB\r\n" + form(TYPE, PHOTO),
    "an epilogue": form(TYPE, PHOTO) + b"The end.\r\n",
    "lines that end with LF": with_lf(TYPE, PHOTO),
    "LF, preamble and epilogue": b"To whom it may concern\n\n" + with_lf(TYPE, PHOTO) + b"\n",
    "LF, the last line without its end": with_lf(TYPE, PHOTO)[:-1],
}


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("name", GOOD_FORMS)
def test_a_form_as_other_servers_take_it_is_taken(server: Server, name: str, chunked: bool) -> None:
    answer = upload(server, GOOD_FORMS[name], chunked=chunked)
    assert answer.status == 201, answer.body
    size = len(PHOTO[2])
    assert answer.seen["body"] == {"type": "image"}
    assert answer.seen["file"] == {"size": size, "read": size, "head": PNG[:8].hex()}


@pytest.mark.parametrize("name", BAD_FORMS)
def test_a_bad_form_is_refused_at_once_and_the_field_is_named(server: Server, name: str) -> None:
    body, named = BAD_FORMS[name]
    started = time.monotonic()
    answer = upload(server, body)
    assert answer.status == 400, answer.body
    assert answer.json["code"] == "bad_request"
    assert named in answer.json["details"]
    assert time.monotonic() - started < IN_TIME_SECONDS


@pytest.mark.parametrize("boundary", ["", "x" * 200, '"'])
def test_a_form_without_a_usable_boundary_is_refused(server: Server, boundary: str) -> None:
    assert upload(server, form(TYPE, FILE), boundary=boundary).status == 400


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("order", ["type first", "file first"])
def test_the_limit_is_that_of_the_type(server: Server, order: str, chunked: bool) -> None:
    for kind, limit in ((b"text", MIB), (b"image", 20 * MIB)):
        for size, status in ((limit, 201), (limit + 1, 413)):
            parts = [("type", None, kind), ("file", b"a", b"x" * size)]
            body = form(*(parts if order == "type first" else reversed(parts)))
            answer = upload(server, body, chunked=chunked)
            assert answer.status == status, (kind, size)
            if status == 413:
                assert answer.json["details"] == {"maxBytes": limit}
            else:
                assert answer.seen["file"]["read"] == limit


def test_many_parts_and_long_texts_are_refused(server: Server) -> None:
    many = form(TYPE, FILE, *((f"z{number}", None, b"1") for number in range(2000)))
    assert upload(server, many).status == 413
    assert upload(server, form(("type", None, b"x" * 2_000_000), FILE)).status == 413


def test_an_upload_that_is_announced_too_large_is_refused_before_it_is_read(server: Server) -> None:
    request = b"POST /api/v1/data HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\n"
    request += b"Content-Type: multipart/form-data; boundary=BB\r\nContent-Length: 999999999\r\n"
    request += b"Expect: 100-continue\r\nConnection: close\r\n\r\n"
    assert server.raw(request % KEY.encode()).status == 413


def test_large_uploads_do_not_fill_the_memory(server: Server) -> None:
    (worker,) = _children(server.process.pid)
    before = _resident(worker)
    body = form(("type", None, b"video"), ("file", b"a.mp4", b"x" * (60 * MIB)))
    with ThreadPoolExecutor(2) as clients:
        answers = list(clients.map(lambda _: upload(server, body), range(2)))
    assert [each.status for each in answers] == [201, 201]
    assert _peak(worker) - before < 40 * MIB


def test_no_file_stays_behind(server: Server) -> None:
    (worker,) = _children(server.process.pid)
    big = ("file", b"a", b"x" * (2 * MIB))
    for body in (form(TYPE, big), form(("type", None, b"text"), big), form(TYPE, big)[:-9]):
        upload(server, body)
    upload(server, form(TYPE, FILE))
    wait_until(lambda: not _deleted_files(worker))


def _children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as listed:
        return [int(each) for each in listed.read().split()]


def _status(pid: int, name: str) -> int:
    with open(f"/proc/{pid}/status") as lines:
        value = next(line for line in lines if line.startswith(name))
    return int(value.split()[1]) * 1024


def _resident(pid: int) -> int:
    return _status(pid, "VmRSS")


def _peak(pid: int) -> int:
    return _status(pid, "VmHWM")


def _deleted_files(pid: int) -> list[str]:
    """Temporary files are deleted when they are made; an open one still has a descriptor."""
    found = []
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
        except FileNotFoundError:
            continue
        if "deleted" in target and "/tmp" in target and "wgunicorn" not in target:
            found.append(target)
    return found
