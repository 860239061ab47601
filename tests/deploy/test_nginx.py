"""deploy/nginx in a real nginx before hosts that answer as they are told, or not at all."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from errors import CODES
from local import ports
from services.media import UPLOAD_LIMITS
from tests import nginx
from tests.nginx import CERTIFICATES, HOST, NGINX, Nginx
from tests.wire import wait_until
from web.bodies import JSON_LIMIT
from web.forms import OVERHEAD

pytestmark = pytest.mark.skipif(NGINX is None, reason="needs nginx: apt install nginx-light")

ORDERS, ORDER = "/api/v1/jobs", b'{"userId": "1"}'
BURST = 60
OWN, STRANGER = "127.0.0.1", "127.0.0.2"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-From: host\r\n\r\n{}"


@dataclass
class Upstream:
    """An application host whose answer to each request is a function's; None: it hangs up."""

    answer: Callable[[bytes], bytes | None] = lambda head: OK
    port: int = field(default_factory=ports.reserve)
    heads: list[bytes] = field(default_factory=list)
    body_bytes: int = 0
    gate: threading.Event = field(default_factory=threading.Event)  # for what is to hang
    connections: list[socket.socket] = field(default_factory=list)

    def asked(self, path: str) -> list[bytes]:
        """Requests that had this path."""
        return [head for head in self.heads if head.split(b" ")[1].decode() == path]

    @contextmanager
    def listening(self) -> Iterator[None]:
        with socket.create_server(("127.0.0.1", self.port)) as listener:
            threading.Thread(target=self._serve, args=[listener], daemon=True).start()
            try:
                yield
            finally:
                self.gate.set()
                for each in (listener, *self.connections):
                    with suppress(OSError):
                        each.shutdown(socket.SHUT_RDWR)

    def _serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                self.connections.append(connection)
                threading.Thread(target=self._talk, args=[connection], daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as file:
            while first := file.readline():
                head = first
                while (line := file.readline()) != b"\r\n":
                    head += line
                self.heads.append(head)
                length = re.search(rb"(?im)^content-length: (\d+)", head)
                left = int(length[1]) if length else 0
                while left and (part := file.read1(min(left, 65536))):
                    left -= len(part)
                    self.body_bytes += len(part)
                answer = self.answer(head)
                if answer is None:
                    return
                connection.sendall(answer)


@dataclass
class World:
    nginx: Nginx
    hosts: tuple[Upstream, Upstream]

    def asked(self, path: str) -> list[bytes]:
        return [head for host in self.hosts for head in host.asked(path)]


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def require(self, status: int, code: str) -> None:
        """It must be the contract's Error with the sentences of this code, by nginx itself."""
        sentences = dict(zip(("message", "userMessage"), CODES[code][1:], strict=True))
        assert (self.status, json.loads(self.body)) == (status, {"code": code} | sentences)
        assert self.headers["Content-Type"] == "application/json"
        assert re.fullmatch("[0-9a-f]{32}", self.headers["X-Request-ID"])
        assert self.headers["Strict-Transport-Security"]
        assert "nginx/" not in self.headers["Server"]


def connected(world: World, source: str = OWN) -> http.client.HTTPConnection:
    trust = ssl.create_default_context(cafile=str(CERTIFICATES / "authority.pem"))
    port = world.nginx.port
    plain = socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(source, 0))
    connection = http.client.HTTPConnection(HOST, port)
    connection.sock = trust.wrap_socket(plain, server_hostname=HOST)
    return connection


def ask(
    world: World,
    method: str,
    path: str,
    body: bytes | None = None,
    source: str = OWN,
    **headers: str,
) -> Answer:
    """One request on a connection of its own."""
    with closing(connected(world, source)) as connection:
        return asked(connection, method, path, body, **headers)


def asked(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None = None,
    **headers: str,
) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, named)
    answer = connection.getresponse()
    return Answer(answer.status, answer.headers, answer.read())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    hosts = Upstream(), Upstream()
    addresses = [f"127.0.0.1:{host.port}" for host in hosts]
    folder = tmp_path_factory.mktemp("nginx")
    # A host that hangs is given up after a second, which is sooner than shipped.
    # A stranger's burst is the shipped one, and then it takes him longer to be asked again.
    slow = "$livephoto_limited zone=livephoto_strangers:10m rate=1r/s"
    changes = {"proxy_read_timeout": "1s", "limit_req_zone": slow}
    with nginx.before(Nginx(folder), addresses, **changes) as running:
        yield World(running, hosts)


@pytest.fixture
def both(world: World) -> Iterator[World]:
    """Both hosts answer, and have not been asked yet."""
    for host in world.hosts:
        host.answer, host.body_bytes = (lambda head: OK), 0
        host.heads.clear()
        host.gate = threading.Event()
    with world.hosts[0].listening(), world.hosts[1].listening():
        yield world


def test_what_got_no_answer_is_sent_again_only_if_that_is_safe(both: World) -> None:
    for host in both.hosts:
        host.answer = lambda head: None
    ask(both, "GET", ORDERS).require(502, "service_unavailable")
    assert len(both.asked(ORDERS)) in (2, 3)
    for method, path in (("POST", ORDERS), ("PATCH", "/api/v1/users/1/consent")):
        both.hosts[0].heads.clear(), both.hosts[1].heads.clear()
        answer = ask(both, method, path, ORDER)
        answer.require(502, "service_unavailable")
        assert answer.headers["Retry-After"] == "1"
        assert len(both.asked(path)) == 1, method
    ask(both, "POST", ORDERS, ORDER, Idempotency_Key="").require(502, "service_unavailable")
    assert len(both.asked(ORDERS)) == 1


def test_an_order_with_a_key_reaches_the_host_that_lives(both: World) -> None:
    both.hosts[0].answer = lambda head: None
    for number in range(6):
        answer = ask(both, "POST", ORDERS, ORDER, Idempotency_Key=f"order-{number}")
        assert (answer.status, answer.body) == (200, b"{}")
        assert ask(both, "GET", ORDERS).status == 200
    first, second = (host.asked(ORDERS) for host in both.hosts)
    assert first and len(second) == 12
    assert all(b"idempotency-key: order-" in head.lower() for head in second if b"POST" in head)
    assert both.hosts[1].body_bytes == 6 * len(ORDER)


def test_a_host_that_is_away_costs_no_request(world: World) -> None:
    alone = world.hosts[1]
    alone.gate, alone.answer = threading.Event(), lambda head: OK
    with alone.listening():
        for _ in range(30):
            assert ask(world, "POST", ORDERS, ORDER).status == 200


def test_without_any_host_each_is_told_so_and_served_as_soon_as_one_is_back(world: World) -> None:
    for host in world.hosts:
        host.answer = lambda head: OK
    for _ in range(30):  # more than lets a host be left alone
        ask(world, "GET", ORDERS).require(502, "service_unavailable")
    world.hosts[0].gate = threading.Event()
    with world.hosts[0].listening():
        assert ask(world, "GET", ORDERS).status == 200


def test_a_host_that_does_not_answer_in_time_is_told_from_one_that_is_gone(both: World) -> None:
    for host in both.hosts:
        host.answer = partial(hang, host)
    answer = ask(both, "POST", ORDERS, ORDER)
    answer.require(504, "service_unavailable")
    assert answer.headers["Retry-After"] == "5"
    assert len(both.asked(ORDERS)) == 1


def test_too_large_is_refused_before_a_host_is_asked(both: World) -> None:
    beyond = b"x" * (2 * 1024 * 1024 + 1)
    for headers in ({}, {"Idempotency_Key": "large"}):
        ask(both, "POST", ORDERS, beyond, **headers).require(413, "payload_too_large")
    with closing(connected(both)) as connection:
        connection.putrequest("POST", "/api/v1/data")
        connection.putheader("Content-Length", str(260 * 1024 * 1024 + 1))
        connection.endheaders()
        answer = connection.getresponse()
        Answer(answer.status, answer.headers, answer.read()).require(413, "payload_too_large")
    assert not both.hosts[0].heads and not both.hosts[1].heads
    # What the server would refuse in detail gets there, and what it takes.
    assert ask(both, "POST", ORDERS, b"x" * (JSON_LIMIT + 1)).status == 200
    assert max(UPLOAD_LIMITS.values()) + OVERHEAD < 260 * 1024 * 1024


def test_an_upload_reaches_the_host_while_it_arrives(both: World) -> None:
    part, parts = b"x" * 1024 * 1024, 8
    for path in ("/api/v1/data", "/api/storage/upload"):
        both.hosts[0].body_bytes = both.hosts[1].body_bytes = 0
        with closing(connected(both)) as connection:
            connection.putrequest("POST", path)
            connection.putheader("Content-Length", str(parts * len(part)))
            connection.endheaders()
            for sent in range(1, parts + 1):
                connection.send(part)
                # All but what is on its way: nothing waits for the rest.
                wait_until(partial(has_received, both, (sent - 1) * len(part)), 20)
            assert connection.getresponse().status == 200
        assert received(both) == parts * len(part)
    assert not list((both.nginx.folder / "body").glob("**/*.*"))


def hang(host: Upstream, head: bytes) -> None:
    host.gate.wait()


def received(world: World) -> int:
    return sum(host.body_bytes for host in world.hosts)


def has_received(world: World, more_than: int) -> bool:
    return received(world) > more_than


def test_strangers_are_limited_by_address_and_the_bot_and_providers_are_not(both: World) -> None:
    webhook = "/api/v1/webhooks/payments/stripe"
    with closing(connected(both, STRANGER)) as connection:
        answers = [asked(connection, "GET", ORDERS) for _ in range(BURST + 5)]
        allowed = [answer for answer in answers if answer.status == 200]
        assert BURST < len(allowed) < len(answers)
        refused = next(answer for answer in answers if answer.status != 200)
        refused.require(429, "rate_limited")
        assert refused.headers["Retry-After"] == "1"
        asked(connection, "POST", ORDERS, ORDER, Idempotency_Key="k").require(429, "rate_limited")
        assert asked(connection, "POST", webhook, ORDER).status == 200
    with closing(connected(both)) as connection:
        for _ in range(BURST + 5):
            assert asked(connection, "GET", ORDERS).status == 200


def test_a_request_has_one_id_from_end_to_end(both: World) -> None:
    given = "order-7.of_bot"
    ask(both, "GET", ORDERS, X_Request_ID=given)
    ask(both, "GET", ORDERS)
    ask(both, "GET", ORDERS, X_Request_ID='forged", "x": "y')
    ids = [header(head, "X-Request-ID") for head in both.asked(ORDERS)]
    assert given in ids and len(set(ids)) == 3
    assert all(re.fullmatch(r"order-7\.of_bot|[0-9a-f]{32}", each) for each in ids)
    wait_until(lambda: all(each in both.nginx.lines() for each in ids), 5)


def test_what_a_stranger_says_of_his_address_does_not_arrive(both: World) -> None:
    forged = {"X_Forwarded_For": "185.71.76.1", "X_Real_IP": "185.71.76.1"}
    ask(both, "POST", "/api/v1/webhooks/payments/yookassa", ORDER, source=STRANGER, **forged)
    (head,) = both.asked("/api/v1/webhooks/payments/yookassa")
    assert header(head, "X-Forwarded-For") == STRANGER


def header(head: bytes, name: str) -> str:
    (value,) = re.findall(rf"(?im)^{name}: (.*)\r$", head.decode())
    return str(value)


@pytest.mark.parametrize(
    "path", ["/", "/console", "/metrics", "/api", "/apiary", "/api/../metrics", "/api/storage"]
)
def test_nothing_but_the_api_is_reachable(both: World, path: str) -> None:
    ask(both, "GET", path).require(404, "not_found")
    assert not both.hosts[0].heads and not both.hosts[1].heads


@pytest.mark.parametrize(
    "request_line",
    [
        "GET /api/%zz HTTP/1.1",
        "GET /api/%00 HTTP/1.1",
        "GET /../api HTTP/1.1",
        "get /api/v1/jobs HTTP/1.1",
        "CONNECT a:443 HTTP/1.1",
        f"GET /api/v1/jobs?{'x' * 10_000} HTTP/1.1",
        "GET /api/v1/jobs HTTP/3.0",
        "POST /api/v1/jobs HTTP/1.1\r\nTransfer-Encoding: gzip",
        "POST /api/v1/jobs HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5",
        f"GET /api/v1/jobs HTTP/1.1\r\nX-Long: {'x' * 10_000}",
        "GET /nginx/bad-request HTTP/1.1",
    ],
)
def test_what_no_server_would_take_is_refused_as_the_contract_says(
    both: World, request_line: str
) -> None:
    wanted = (404, "not_found") if "/nginx/" in request_line else (400, "bad_request")
    with closing(connected(both)) as connection:
        written(connection, request_line).require(*wanted)
    assert not both.hosts[0].heads and not both.hosts[1].heads


def test_a_request_without_tls_where_that_is_spoken_is_told_so_in_json(both: World) -> None:
    plain = http.client.HTTPConnection("127.0.0.1", both.nginx.port, timeout=60)
    with closing(plain):
        asked(plain, "GET", ORDERS).require(400, "bad_request")


def written(connection: http.client.HTTPConnection, request_line: str) -> Answer:
    """The answer to what http.client would not write."""
    connection.sock.sendall(f"{request_line}\r\nHost: {HOST}\r\n\r\n".encode())
    answer = http.client.HTTPResponse(connection.sock, method="GET")
    answer.begin()
    return Answer(answer.status, answer.headers, answer.read())


def test_without_tls_there_is_only_the_way_to_it(both: World) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", both.nginx.plain_port, timeout=20)
    connection.request("GET", ORDERS, headers={"Host": "another.test"})
    answer = connection.getresponse()
    assert "nginx/" not in answer.headers["Server"]
    assert (answer.status, answer.headers["Location"]) == (301, f"https://{HOST}{ORDERS}")
    connection.close()


def test_the_log_has_neither_paths_nor_keys(both: World) -> None:
    ask(both, "GET", "/api/storage/objects/signed-token?userId=a-user-of-ours", X_API_Key="the-key")
    wait_until(lambda: '"bytes_out"' in both.nginx.lines(), 5)
    lines: list[dict[str, Any]] = [json.loads(line) for line in both.nginx.lines().splitlines()]
    assert {"request_id", "status", "host", "host_status"} <= lines[-1].keys()
    for secret in ("signed-token", "a-user-of-ours", "the-key", "/api/"):
        assert secret not in both.nginx.lines()
