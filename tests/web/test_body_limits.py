"""No body is too large or too slow for the server: each operation has its limit and keeps it."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from contextlib import ExitStack, suppress
from uuid import UUID

import psutil
import pytest

from services.media import UPLOAD_LIMITS
from spec import CONTRACT
from spec.operations import JSON, Operation, operations_of
from tests.wire import IN_TIME_SECONDS, Answer, Server, compose
from web.bodies import JSON_LIMIT, UNAUTHENTICATED_JSON_LIMIT
from web.envelope import READ_ON_FOR_GUESTS
from web.forms import OVERHEAD
from web.validation import IGNORED_BODY

MIB = 1024 * 1024
OPERATIONS = [each for each in operations_of(CONTRACT) if each.tag != "Ops"]
WITH_BODY = [each for each in OPERATIONS if each.media_types]
WITHOUT = [each for each in OPERATIONS if not each.media_types]
FORM = "multipart/form-data; boundary=x"
FILE_OF_TEXT = (
    b'--x\r\nContent-Disposition: form-data; name="type"\r\n\r\ntext\r\n'
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
)
MEMORY_GROWTH = 40 * MIB
READ_ON_BYTES, _ = READ_ON_FOR_GUESTS

each_with_body = pytest.mark.parametrize(
    "operation", WITH_BODY, ids=[each.operation_id for each in WITH_BODY]
)


def limit_of(operation: Operation) -> int:
    """Bytes that the whole body may have."""
    if JSON not in operation.media_types:
        return max(UPLOAD_LIMITS.values()) + OVERHEAD
    anonymous = operation.operation_id == "webhookPayments"
    return UNAUTHENTICATED_JSON_LIMIT if anonymous else JSON_LIMIT


def head_of(operation: Operation, **headers: str) -> bytes:
    """The request without its body."""
    path = operation.path.replace("{provider}", "stripe")
    path = re.sub(r"\{\w+Id\}", str(UUID(int=7)), path)
    if any(each.name == "userId" and each.location == "query" for each in operation.parameters):
        path += f"?userId={UUID(int=7)}"
    kind = JSON if JSON in operation.media_types else FORM
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    fields = {"Content-Type": kind, "Content-Length": "", **named}
    return compose(operation.method, path, b"", fields)


def beginning(operation: Operation) -> bytes:
    """The start of a body that is wrong only in its length."""
    return b'{"a": "' if JSON in operation.media_types else FILE_OF_TEXT


def endless(server: Server, operation: Operation) -> tuple[Answer, int]:
    """The answer to an endless body, and how much of it was read."""
    sent, piece = 0, b"a" * 64 * 1024
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(head_of(operation, Transfer_Encoding="chunked"))
        with suppress(OSError):
            first = beginning(operation)
            connection.sendall(b"%x\r\n%s\r\n" % (len(first), first))
            while sent < 4 * READ_ON_BYTES:
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
                sent += len(piece)
        return read(connection), sent


def read(connection: socket.socket) -> Answer:
    with http.client.HTTPResponse(connection) as response:
        response.begin()
        return Answer(response.status, response.headers, response.read())


def require_too_large(answer: Answer, limit: int) -> None:
    assert (answer.status, answer.json["code"]) == (413, "payload_too_large")
    assert answer.json["details"] == {"maxBytes": limit}


class Memory:
    """The peak growth of the server processes' memory."""

    def __init__(self, server: Server) -> None:
        parent = psutil.Process(server.process.pid)
        self._processes = [parent, *parent.children(recursive=True)]
        self._over = threading.Event()
        self._before = self._now()
        self.growth = 0

    def __enter__(self) -> Memory:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _now(self) -> int:
        return sum(each.memory_info().rss for each in self._processes)

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self.growth = max(self.growth, self._now() - self._before)


@each_with_body
def test_a_body_announced_as_too_large_is_refused_before_it_is_sent(
    server: Server, operation: Operation
) -> None:
    limit = limit_of(operation)
    for length in (limit + 1, 10**15):
        request = head_of(operation, Content_Length=str(length), Expect="100-continue")
        started = time.monotonic()
        require_too_large(server.raw(request), limit)
        assert time.monotonic() - started < IN_TIME_SECONDS


@each_with_body
def test_a_body_that_grows_too_large_unannounced_is_refused_while_it_comes(
    server: Server, operation: Operation
) -> None:
    with Memory(server) as memory:
        answer, sent = endless(server, operation)
    limit = limit_of(operation) if JSON in operation.media_types else UPLOAD_LIMITS["text"]
    require_too_large(answer, limit)
    # Data in the system's buffers was sent, too, but never read.
    assert sent < 2 * READ_ON_BYTES
    assert memory.growth < MEMORY_GROWTH


@pytest.mark.parametrize("operation", WITHOUT, ids=[each.operation_id for each in WITHOUT])
def test_an_operation_without_a_body_ignores_a_small_one_only(
    server: Server, operation: Operation
) -> None:
    head = head_of(operation, Content_Type="", Content_Length=str(IGNORED_BODY))
    assert server.raw(head + b"a" * IGNORED_BODY).status == 200
    body = b"a" * (IGNORED_BODY + 1)
    head = head_of(operation, Content_Type="", Content_Length=str(len(body)))
    require_too_large(server.raw(head + body), IGNORED_BODY)


def test_without_a_key_next_to_nothing_is_read(server: Server) -> None:
    for operation in WITH_BODY:
        if operation.operation_id != "webhookPayments":
            head = head_of(operation, X_API_Key="wrong", Content_Length=str(10**12))
            with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
                connection.sendall(head + b"a" * 2 * MIB)
                answer = read(connection)
            assert (answer.status, answer.headers["Connection"]) == (401, "close")


def test_the_memory_of_many_large_bodies_at_once_is_bounded(server: Server) -> None:
    register = next(each for each in WITH_BODY if each.operation_id == "usersRegisterOrLogin")
    answers = list[int]()

    def send() -> None:
        answers.append(endless(server, register)[0].status)

    with Memory(server) as memory:
        senders = [threading.Thread(target=send) for _ in range(8)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
    assert answers == [413] * len(senders)
    assert memory.growth < MEMORY_GROWTH


def test_an_upload_form_of_the_store_is_bounded_too(storing: Server) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n'
    for name, code in ((b"key", "payload_too_large"), (b'file"; filename="a', "link_invalid")):
        with Memory(storing) as memory, suppress(OSError):
            head = compose(
                "POST",
                "/storage/upload",
                b"",
                {"Content-Type": FORM, "Content-Length": str(10**12)},
                key=None,
            )
            with socket.create_connection(("127.0.0.1", storing.port), timeout=60) as connection:
                with suppress(OSError):
                    connection.sendall(head + part % name)
                    for _ in range(2 * READ_ON_BYTES // MIB):
                        connection.sendall(b"a" * MIB)
                answer = read(connection)
        assert answer.json["code"] == code
        assert memory.growth < MEMORY_GROWTH
    assert not list((storing.state_dir / "files/incoming").glob("*"))


def test_who_sends_slowly_holds_nobody_up(server: Server) -> None:
    register = next(each for each in WITH_BODY if each.operation_id == "usersRegisterOrLogin")
    upload = next(each for each in WITH_BODY if each.operation_id == "dataUploadMultipart")
    whole = json.dumps({"telegramId": "1"}).encode()
    with ExitStack() as open_connections:
        for number in range(200):
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
            open_connections.enter_context(connection)
            operation = upload if number < 20 else register
            head = head_of(operation, Content_Length="1000")
            # Half a head, a head, a head and some of the body.
            connection.sendall((head[:40], head, head + beginning(operation)[:5])[number % 3])
        started = time.monotonic()
        for _ in range(5):
            assert server.get("/api/v1/tariffs").status == 200
            assert server.post_json(register.path, whole).status == 200
        assert time.monotonic() - started < IN_TIME_SECONDS


def test_every_kind_of_body_is_here() -> None:
    assert {kind for each in WITH_BODY for kind in each.media_types} == {
        JSON,
        "multipart/form-data",
    }
