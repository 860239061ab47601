"""The retrying client of `make chaos`: what it repeats, what it counts, what it gives up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from threading import Thread
from typing import Any

import pytest

from lab.chaos import client as clients
from lab.chaos.client import Client, FailedError, Tally

DROP = 0


class Scripted(ThreadingHTTPServer):
    """Answers with the statuses of its script, then with 201; DROP cuts the connection."""

    def __init__(self) -> None:
        self.script: list[tuple[int, str]] = []
        self.keys: list[str | None] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                server.keys.append(self.headers["Idempotency-Key"])
                status, code = server.script.pop(0) if server.script else (201, "")
                if status == DROP:
                    self.close_connection = True
                    return
                body = json.dumps({"code": code} if code else {"id": "1"}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                if status == 503:
                    self.send_header("Retry-After", "0")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server() -> Iterator[Scripted]:
    scripted = Scripted()
    Thread(target=scripted.serve_forever, args=(0.01,), daemon=True).start()
    yield scripted
    scripted.shutdown()
    scripted.server_close()


@pytest.fixture
def tally() -> Tally:
    return Tally()


@pytest.fixture
def client(server: Scripted, tally: Tally) -> Iterator[Client]:
    made = Client([server.url], "key", tally, Random(0))
    yield made
    made.close()


def order(client: Client, **options: Any) -> Any:
    return client.call("jobsCreate", "POST", "/jobs", key="order-1", json={}, **options)


def test_trouble_is_repeated_with_the_same_key_until_there_is_an_answer(
    server: Scripted, client: Client, tally: Tally
) -> None:
    server.script = [
        (DROP, ""),
        (503, "service_unavailable"),
        (409, "idempotency_in_progress"),
        (429, "rate_limited"),
    ]
    assert order(client).body == {"id": "1"}
    assert server.keys == ["order-1"] * 5
    assert tally.done == {"jobsCreate": 1}
    assert tally.repeats == {
        "connection lost before the answer": 1,
        "503 service_unavailable": 1,
        "409 idempotency_in_progress": 1,
        "429 rate_limited": 1,
    }
    assert (tally.waiting, tally.failed) == (0, [])


def test_a_500_is_repeated_but_it_is_a_bug(server: Scripted, client: Client, tally: Tally) -> None:
    server.script = [(500, "internal_error")]
    assert order(client).ok
    assert tally.bugs == {"jobsCreate": 1}


def test_a_refusal_that_the_rules_want_is_an_answer_and_any_other_a_failure(
    server: Scripted, client: Client, tally: Tally
) -> None:
    server.script = [(409, "job_not_cancellable")] * 2
    assert not order(client, refusals=["job_not_cancellable"]).ok
    assert tally.failed == []
    with pytest.raises(FailedError):
        order(client)
    assert len(tally.failed) == 1


def test_an_operation_that_nobody_answers_has_failed(
    server: Scripted, client: Client, tally: Tally, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "PATIENCE_SECONDS", 0.3)
    server.script = [(DROP, "")] * 100
    with pytest.raises(FailedError):
        order(client)
    assert len(tally.failed) == 1 and tally.waiting == 0


def test_who_gets_no_answer_asks_another_server(server: Scripted, tally: Tally) -> None:
    nowhere = "http://127.0.0.1:9"
    client = Client([nowhere, server.url], "key", tally, Random(0))
    for _ in range(3):
        assert order(client).ok
    client.close()
    assert tally.repeats.total() <= 1
