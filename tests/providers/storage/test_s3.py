"""Failures of S3 are reported as StorageUnavailable, and soon."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from botocore.client import Config

from local import ports
from providers.storage import StorageUnavailable, s3
from providers.storage.s3 import S3Storage
from tests.threads import at_once

IN_TIME_SECONDS = 20  # on any machine; botocore alone waits for minutes
KEY = "image/1.jpeg"
HEAD_AND_HALF = (
    b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 1000\r\n"
    b'ETag: "e"\r\n\r\n' + b"x" * 400
)


def store_at(
    port: int, bucket: str = "photos", secret: str = "test-secret-0123456789"
) -> S3Storage:
    return S3Storage(
        bucket=bucket,
        endpoint_url=f"http://127.0.0.1:{port}",
        region="us-east-1",
        access_key_id="test-key",
        secret_access_key=secret,
    )


def read(store: S3Storage) -> bytes:
    with store.open(KEY) as file:
        return file.read()


def all_calls(store: S3Storage) -> list[Callable[[], object]]:
    return [
        lambda: store.put(KEY, io.BytesIO(b"x"), content_type="image/jpeg"),
        lambda: read(store),
        lambda: store.peek(KEY, 10),
        lambda: store.head(KEY),
        lambda: store.delete(KEY),
        store.check,
    ]


@contextmanager
def server(answer: bytes | None, asked: list[bytes] | None = None) -> Iterator[int]:
    """A server that sends `answer` to every connection and closes it; None: stays silent.

    asked: gets what the connections began with.
    """
    asked = [] if asked is None else asked
    with socket.create_server(("127.0.0.1", ports.reserve())) as listener:
        silent: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                if answer is None:
                    silent.append(connection)
                else:
                    with connection:
                        asked.append(connection.recv(65536))
                        connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in silent:
                connection.close()


def test_nobody_listening_is_told_within_seconds() -> None:
    store = store_at(ports.reserve())
    for call in all_calls(store):
        started = time.monotonic()
        with pytest.raises(StorageUnavailable):
            call()
        assert time.monotonic() - started < IN_TIME_SECONDS


def test_a_server_that_is_silent_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    patience = s3.READ_SECONDS * s3.ATTEMPTS
    assert patience <= 20
    monkeypatch.setattr(s3, "_CONFIG", s3._CONFIG.merge(Config(read_timeout=0.2)))
    with server(None) as port:
        for call in all_calls(store_at(port))[:2]:
            started = time.monotonic()
            with pytest.raises(StorageUnavailable):
                call()
            assert time.monotonic() - started < IN_TIME_SECONDS


def test_trouble_of_the_store_is_ours() -> None:
    broken = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with server(broken) as port:
        for call in all_calls(store_at(port)):
            with pytest.raises(StorageUnavailable):
                call()


def test_a_download_that_breaks_off_is_not_taken_for_whole() -> None:
    with server(HEAD_AND_HALF) as port:
        with pytest.raises(StorageUnavailable):
            read(store_at(port))
        with pytest.raises(StorageUnavailable):
            store_at(port).peek(KEY, 1000)
        with pytest.raises(StorageUnavailable), store_at(port).open(KEY) as file:
            while file.read(100):
                pass


def test_of_a_beginning_no_more_is_transferred() -> None:
    part = b"HTTP/1.1 206 Partial Content\r\nContent-Length: 10\r\n\r\n" + b"x" * 10
    asked: list[bytes] = []
    with server(part, asked) as port:
        assert store_at(port).peek(KEY, 10) == b"x" * 10
    (request,) = asked
    assert b"\r\nRange: bytes=0-9\r\n" in request


def test_links_are_made_without_asking_the_store() -> None:
    store = store_at(ports.reserve())
    assert "X-Amz-Signature" in store.url(KEY, expires_in=60, content_type="image/jpeg")
    form = store.presign_upload(KEY, content_type="image/jpeg", max_bytes=10, expires_in=60)
    assert form.fields["key"] == KEY


def test_a_wrong_bucket_or_secret_is_trouble_of_ours(s3: S3Storage) -> None:
    port = int(s3.url(KEY, expires_in=1, content_type="a/b").split(":")[2][:5])
    no_bucket, no_right = store_at(port, bucket="no-such"), store_at(port, secret="wrong" * 5)
    calls = [no_bucket.check, lambda: read(no_bucket), no_right.check, *all_calls(no_right)]
    for call in calls:
        with pytest.raises(StorageUnavailable):
            call()


def test_threads_share_one_client() -> None:
    store = store_at(ports.reserve())
    clients = at_once(lambda: store._client, 8)
    assert len(set(map(id, clients))) == 1
