"""Uploads and downloads on this machine, as they look on the wire."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import socket
import threading
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest

from providers.storage import UploadForm, disk
from providers.storage.disk import DiskStorage
from tests import wire
from web import files
from web.files import files_app

PHOTO = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 8
JPEG = "image/jpeg"
BOUNDARY = "AaB03x"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@pytest.fixture(scope="module")
def server(storing: wire.Server) -> wire.Server:
    """A server that stores files itself."""
    return storing


@pytest.fixture(scope="module")
def store(server: wire.Server) -> DiskStorage:
    """The same store, from this process; its links are paths."""
    return DiskStorage(server.state_dir / "files", base_url="/storage")


def encoded(form: UploadForm, content: bytes | None, **changes: str) -> bytes:
    fields = form.fields | {name.replace("_", "-"): value for name, value in changes.items()}
    body = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ).encode()
    if content is not None:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        body += head.encode() + content + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


def form_for(store: DiskStorage, key: str | None = None, **changes: int) -> UploadForm:
    terms = {"max_bytes": 5000, "expires_in": 60} | changes
    return store.presign_upload(key or f"image/{uuid4()}.jpeg", content_type=JPEG, **terms)


def post(server: wire.Server, body: bytes, path: str = "/storage/upload") -> wire.Answer:
    return server.request("POST", path, body, FORM, key=None)


def link(store: DiskStorage, content: bytes = PHOTO) -> str:
    key = f"image/{uuid4()}.jpeg"
    store.put(key, io.BytesIO(content), content_type=JPEG)
    return store.url(key, expires_in=60, content_type=JPEG)


def get(server: wire.Server, path: str, method: str = "GET", **headers: str) -> wire.Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return server.request(method, path, b"", named, key=None)


def refused(answer: wire.Answer, status: int, code: str) -> dict[str, Any]:
    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json.keys() <= {"code", "message", "userMessage", "details"}
    return answer.json.get("details", {})


def incoming(store: Path) -> list[Path]:
    return list((store / "files" / "incoming").iterdir())


@pytest.mark.parametrize("prefix", ["/storage", "/api/storage"])
def test_links_work_under_both_roots(server: wire.Server, store: DiskStorage, prefix: str) -> None:
    form = form_for(store)
    answer = post(server, encoded(form, PHOTO), f"{prefix}/upload")
    assert (answer.status, answer.body) == (204, b"")
    url = store.url(form.fields["key"], expires_in=60, content_type=JPEG)
    assert get(server, url.replace("/storage", prefix)).body == PHOTO
    assert incoming(server.state_dir) == []


def test_a_refusal_says_what_to_fix(server: wire.Server, store: DiskStorage) -> None:
    form = form_for(store, max_bytes=100)
    assert refused(post(server, encoded(form, b"z" * 101)), 413, "payload_too_large") == {
        "maxBytes": 100
    }
    assert refused(post(server, encoded(form, b"")), 400, "bad_request") == {"file": "is empty"}
    assert refused(post(server, encoded(form, None)), 400, "bad_request") == {"file": "is required"}
    cut_off = encoded(form, b"z")[:-10]
    assert "file" in refused(post(server, cut_off), 400, "bad_request")
    no_form = server.request("POST", "/storage/upload", b"{}", {"Content-Type": "text/plain"})
    assert "body" in refused(no_form, 400, "bad_request")
    for changes in ({"key": "other"}, {"Content_Type": "text/html"}, {"policy": "x"}, {"acl": "a"}):
        refused(post(server, encoded(form, b"z", **changes)), 403, "link_invalid")
    refused(post(server, encoded(form_for(store, expires_in=0), b"z")), 403, "link_invalid")
    assert store.head(form.fields["key"]) is None
    assert incoming(server.state_dir) == []


def test_paths_and_methods_beside_the_links_are_refused_as_everywhere(
    server: wire.Server, store: DiskStorage
) -> None:
    refused(get(server, "/storage/nothing"), 404, "not_found")
    refused(get(server, "/storage/objects/"), 404, "not_found")
    refused(get(server, "/storage/objects/a/b"), 404, "not_found")
    refused(get(server, "/storage/objects/abc"), 403, "link_invalid")
    refused(get(server, "/storage/objects/%00%ff"), 403, "link_invalid")
    answer = get(server, "/storage/upload")
    refused(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "POST"
    refused(get(server, link(store), "DELETE"), 405, "method_not_allowed")


def test_a_deleted_file_is_not_found(server: wire.Server, store: DiskStorage) -> None:
    form = form_for(store)
    url = store.url(form.fields["key"], expires_in=60, content_type=JPEG)
    refused(get(server, url), 404, "data_not_found")
    post(server, encoded(form, PHOTO))
    assert get(server, url).status == 200
    store.delete(form.fields["key"])
    refused(get(server, url), 404, "data_not_found")


def test_a_file_cannot_act_as_a_page_of_this_server(
    server: wire.Server, store: DiskStorage
) -> None:
    headers = get(server, link(store, b"<script>")).headers
    assert headers["Content-Type"] == JPEG
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "sandbox"
    assert headers["Cache-Control"].startswith("private")
    assert headers["Referrer-Policy"] == "no-referrer"
    assert len(headers.get_all("Content-Security-Policy", [])) == 1


def test_head_tells_what_get_would(server: wire.Server, store: DiskStorage) -> None:
    url = link(store)
    got, head = get(server, url), get(server, url, "HEAD")
    assert (head.status, head.body) == (200, b"")
    for name in ("Content-Length", "Content-Type", "ETag", "Accept-Ranges"):
        assert head.headers[name] == got.headers[name], name
    part = get(server, url, "HEAD", Range="bytes=0-9")
    assert (part.status, part.headers["Content-Length"]) == (206, "10")


@pytest.mark.parametrize(
    "header",
    [
        "bytes=0-1,5-6",
        "bytes=5-1",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=--1",
        "bytes=0-\u0661",
        "lines=0-1",
        "bytes=" + "9" * 4000,
    ],
)
def test_a_range_that_makes_no_sense_is_ignored(
    server: wire.Server, store: DiskStorage, header: str
) -> None:
    answer = get(server, link(store), Range=header)
    assert (answer.status, answer.body) == (200, PHOTO)


@pytest.mark.parametrize("header", ["bytes=2052-", "bytes=99999-100000", "bytes=-0"])
def test_a_range_outside_the_file_is_told(
    server: wire.Server, store: DiskStorage, header: str
) -> None:
    answer = get(server, link(store), Range=header)
    assert (answer.status, answer.body) == (416, b"")
    assert answer.headers["Content-Range"] == f"bytes */{len(PHOTO)}"


def test_a_download_goes_on_only_with_the_version_it_began_with(
    server: wire.Server, store: DiskStorage
) -> None:
    url = link(store)
    etag = get(server, url).headers["ETag"]
    assert get(server, url, Range="bytes=5-", If_Range=etag).status == 206
    for other in ('"other"', f"W/{etag}", "Wed, 21 Oct 2026 07:28:00 GMT"):
        assert get(server, url, Range="bytes=5-", If_Range=other).status == 200, other


def test_304_knows_lists_weak_tags_and_the_star(server: wire.Server, store: DiskStorage) -> None:
    url = link(store)
    etag = get(server, url).headers["ETag"]
    for known in (etag, f"W/{etag}", f'"a", {etag}', "*"):
        answer = get(server, url, If_None_Match=known)
        assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", etag), known
    assert get(server, url, If_None_Match='"a"').status == 200


def test_an_upload_that_breaks_off_leaves_nothing(server: wire.Server, store: DiskStorage) -> None:
    form = form_for(store, max_bytes=10_000_000)
    body = encoded(form, b"z" * 1_000_000)
    request = wire.compose("POST", "/storage/upload", body, FORM, key=None)
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(request[:500_000])
        wire.wait_until(lambda: len(incoming(server.state_dir)) == 1)
    wire.wait_until(lambda: incoming(server.state_dir) == [])
    assert store.head(form.fields["key"]) is None


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_download_that_breaks_off_leaves_no_file_open(
    server: wire.Server, store: DiskStorage
) -> None:
    url = link(store, bytes(30_000_000))
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(wire.compose("GET", url, key=None))
        assert connection.recv(100_000).startswith(b"HTTP/1.1 200")
        wire.wait_until(lambda: _open_objects(server) == 1)
    wire.wait_until(lambda: _open_objects(server) == 0)


class Scripted:
    """An upload sent chunk by chunk to the application itself, to inspect its state in between."""

    def __init__(self, store: DiskStorage, *chunks: bytes) -> None:
        self._app = files_app(store)
        self._chunks = list(chunks)
        self.sent: list[Any] = []
        self.between: list[int] = []
        self._folder = store._incoming

    def run(self) -> tuple[int, dict[str, Any], dict[bytes, bytes]]:
        asyncio.run(self.send())
        start, body = self.sent[0], b"".join(each.get("body", b"") for each in self.sent[1:])
        return start["status"], json.loads(body or b"{}"), dict(start["headers"])

    async def send(self) -> None:
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/upload",
            "query_string": b"",
            "headers": [(b"content-type", FORM["Content-Type"].encode())],
        }
        await self._app(scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        self.between.append(len(list(self._folder.iterdir())))
        return {
            "type": "http.request",
            "body": self._chunks.pop(0),
            "more_body": bool(self._chunks),
        }

    async def _send(self, message: Any) -> None:
        self.sent.append(message)


@pytest.fixture
def local(tmp_path: Path) -> DiskStorage:
    return DiskStorage(tmp_path / "files", base_url="")


def test_a_file_that_is_being_kept_when_its_request_is_cancelled_is_kept_whole(
    local: DiskStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, sync = f"image/{uuid4()}.jpeg", os.fsync
    keeping, cancelled = threading.Event(), threading.Event()
    upload = Scripted(local, encoded(form_for(local, key), PHOTO))

    def slow(handle: int) -> None:
        keeping.set()
        cancelled.wait(60)
        sync(handle)

    async def cancel_while_keeping() -> None:
        sending = asyncio.create_task(upload.send())
        assert await asyncio.to_thread(keeping.wait, 60)
        sending.cancel()
        cancelled.set()
        with pytest.raises(asyncio.CancelledError):
            await sending

    monkeypatch.setattr(os, "fsync", slow)
    asyncio.run(cancel_while_keeping())
    with local.open(key) as file:
        assert file.read() == PHOTO


def test_no_byte_is_stored_before_the_form_is_found_genuine(local: DiskStorage) -> None:
    form = form_for(local)
    body = encoded(form, b"z" * 1000, key="other")
    forged = Scripted(local, body[:-900], body[-900:-500], body[-500:])
    status, error, _ = forged.run()
    assert (status, error["code"]) == (403, "link_invalid")
    assert forged.between == [0], "the rest is left to the envelope"
    body = encoded(form, b"z" * 1000)
    genuine = Scripted(local, body[:-900], body[-900:])
    assert genuine.run()[0] == 204
    assert genuine.between == [0, 1]


def test_too_much_is_refused_before_it_has_all_come(local: DiskStorage) -> None:
    form = form_for(local, max_bytes=1000)
    body = encoded(form, b"z" * 100_000)
    upload = Scripted(local, *(body[at : at + 500] for at in range(0, len(body), 500)))
    status, error, _ = upload.run()
    assert (status, error["code"]) == (413, "payload_too_large")
    assert upload.between.count(1) < 10, "kept on storing"


@pytest.mark.parametrize(
    ("sent", "policy_seconds", "form_seconds"), [(40, 0.2, 60), (-500, 0.2, 0.5)]
)
def test_a_form_that_does_not_arrive_in_time_is_given_up(
    local: DiskStorage,
    monkeypatch: pytest.MonkeyPatch,
    sent: int,
    policy_seconds: float,
    form_seconds: float,
) -> None:
    """Who has not shown a policy of ours has less time than who has."""
    monkeypatch.setattr(files, "POLICY_SECONDS", policy_seconds)
    monkeypatch.setattr(files, "FORM_SECONDS", form_seconds)
    body = encoded(form_for(local), b"z" * 1000)

    class Stalled(Scripted):
        async def _receive(self) -> dict[str, Any]:
            if not self._chunks:
                await asyncio.sleep(60)
            return await super()._receive() | {"more_body": True}

    upload = Stalled(local, body[:sent])
    started = time.monotonic()
    status, error, _ = upload.run()
    assert (status, error["details"]) == (400, {"body": "did not arrive in time"})
    least = policy_seconds if sent > 0 else form_seconds
    assert least < time.monotonic() - started < wire.IN_TIME_SECONDS
    assert list(local._incoming.iterdir()) == []


def test_slow_uploads_do_not_pile_up(local: DiskStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FORMS_AT_ONCE", 0)
    status, error, headers = Scripted(local, encoded(form_for(local), b"z")).run()
    assert (status, error["code"]) == (503, "service_unavailable")
    assert int(headers[b"retry-after"]) > 0


@pytest.mark.parametrize(
    "path", ["objects/abc/", "upload/", "nothing/", "x%0A/", "objects/abc%0A/"]
)
def test_no_address_leads_to_another_host(server: wire.Server, path: str) -> None:
    answer = get(server, f"/api/storage/{path}", Host="evil.example")
    refused(answer, 404, "not_found")


def test_a_full_disk_is_told_as_temporary(
    local: DiskStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "RESERVE_BYTES", 1 << 60)
    status, error, headers = Scripted(local, encoded(form_for(local), b"z")).run()
    assert (status, error["code"]) == (503, "storage_unavailable")
    assert int(headers[b"retry-after"]) > 0
    assert str(local._incoming) not in json.dumps(error)


def _open_objects(server: wire.Server) -> int:
    count = 0
    for process in (server.process.pid, *_children(server.process.pid)):
        for descriptor in Path(f"/proc/{process}/fd").iterdir():
            try:
                count += "/files/objects/" in os.readlink(descriptor)
            except FileNotFoundError:
                continue
    return count


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_large_files_come_and_go_without_filling_the_memory(
    server: wire.Server, store: DiskStorage
) -> None:
    content = bytes(range(256)) * (4096 * 60)  # 60 MiB
    get(server, link(store))  # loads what the first request needs
    (worker,) = psutil.Process(server.process.pid).children()
    form = form_for(store, max_bytes=len(content))
    link_to_it = store.url(form.fields["key"], expires_in=60, content_type=JPEG)
    body = encoded(form, content)
    before = worker.memory_info().rss
    assert post(server, body).status == 204
    assert get(server, link_to_it).body == content
    assert get(server, link_to_it, Range="bytes=1000000-").body == content[1_000_000:]
    peak = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{worker.pid}/status").read_text())
    assert peak and int(peak[1]) * 1024 - before < 32 * 1024 * 1024
