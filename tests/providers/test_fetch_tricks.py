"""Known ways around download guards, each tried on ours."""

from __future__ import annotations

import gzip
import itertools
import socket
import time
import tracemalloc
from ipaddress import ip_address

import pytest

from providers.addresses import Address
from providers.fetch import FetchFailed, FetchRefused, Guard
from tests.sites import (
    LOOPBACK,
    PHOTO,
    client_tls,
    download,
    guard,
    ok,
    redirect,
    refusal,
    server_tls,
    site,
)
from tests.wire import IN_TIME_SECONDS

INNER = ip_address("127.0.0.2")


@pytest.mark.parametrize(
    "host",
    [
        # Numbers as inet_aton reads them
        "0",
        "127.0.1",
        "0x7f.1",
        "0x7f.0x0.0x0.0x1",
        "0X7F000001",
        "017700000001",
        "127.0.0.01",
        "0000177.0.0.1",
        "4294967295",
        # Letters and dots that IDNA makes plain
        "①②⑦.⓪.⓪.①",
        "127｡0｡0｡1",
        "127．0．0．1",
        "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
        "loca\u00adlhost",
        "LOCALHOST",
        "localhost.",
        "𝟏𝟐𝟕.𝟎.𝟎.𝟏",
        # IPv6 that leads to IPv4, or stays at home
        "[0:0:0:0:0:ffff:127.0.0.1]",
        "[::ffff:0:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b:1::7f00:1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b::10.0.0.1]",
        "[2002:7f00:1::]",
        "[2002:a9fe:a9fe::1]",
        "[2001:0:7f00:1::]",
        "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
        "[fec0::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
        "[::1%25lo]",
        "[::1%lo]",
        # Where a name seems to end
        "8.8.8.8@127.0.0.1",
        "8.8.8.8%40127.0.0.1",
        "8.8.8.8%00.127.0.0.1",
        "127.0.0.1%2f8.8.8.8",
        "127.0.0.1\t",
        "127.0.0.1\r\nX: y",
        "127.0.0.1%0d%0aX:y",
        "8.8.8.8 127.0.0.1",
    ],
)
def test_no_disguise_of_an_inner_address_is_connected_to(host: str) -> None:
    with site(ok(), address="0.0.0.0") as place:
        rules = Guard(ports=frozenset({place.port}))
        assert refusal(f"http://{host}:{place.port}/", rules) in (
            "url_not_allowed",
            "url_not_found",
        )
        assert place.connections == 0


@pytest.mark.parametrize(
    "port", ["22", "080x", "-1", "0", "65536", "80:22", "８０80", "80/../:22@"]
)
def test_a_port_is_a_port_of_the_web_or_refused(port: str) -> None:
    try:
        assert refusal(f"http://127.0.0.1:{port}/") == "url_not_allowed"
    except FetchFailed as tried:
        raise AssertionError("it was connected to") from tried


def test_redirects_to_one_name_are_looked_up_anew_each_time() -> None:
    answers = itertools.chain([LOOPBACK, LOOPBACK], itertools.repeat(INNER))

    def rebinding(host: str, seconds: float) -> list[Address]:
        return [next(answers)]

    with site(redirect("/again")) as place, site(ok(), address="127.0.0.2", port=place.port) as own:
        rules = guard(place, resolve=rebinding)
        assert refusal(f"http://a.test:{place.port}/", rules) == "url_not_allowed"
        assert (place.connections, own.connections) == (2, 0)


@pytest.mark.parametrize("public", [True, False])
def test_a_redirect_from_https_to_http_is_judged_like_any_other(public: bool) -> None:
    """http is allowed from the start, so that going there by a redirect opens nothing new."""

    def names(host: str, seconds: float) -> list[Address]:
        return [LOOPBACK if host == "photos.test" or public else INNER]

    with site(ok()) as plain, site(b"", tls=server_tls()) as secure:
        secure.reply = lambda c: c.sendall(redirect(f"http://b.test:{plain.port}/"))
        rules = guard(plain, secure, trust=client_tls(), resolve=names)
        url = f"https://photos.test:{secure.port}/"
        if public:
            assert download(url, rules)[1] == PHOTO
        else:
            assert refusal(url, rules) == "url_not_allowed"
            assert plain.connections == 0


def test_two_sites_that_send_us_to_each_other_are_left_soon() -> None:
    with site(b"") as one, site(b"") as other:
        one.reply = lambda c: c.sendall(redirect(f"http://b.test:{other.port}/"))
        other.reply = lambda c: c.sendall(redirect(f"http://a.test:{one.port}/"))
        assert refusal(f"http://a.test:{one.port}/", guard(one, other)) == "url_not_found"
        assert one.connections + other.connections == 4


def test_what_is_packed_is_measured_and_kept_as_it_came() -> None:
    bomb = gzip.compress(b"\0" * 100 * 2**20)
    assert len(bomb) < 10**6
    with site(ok(bomb, "Content-Encoding: gzip")) as place:
        tracemalloc.start()
        _, content = download(f"http://a.test:{place.port}/", guard(place))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert content == bomb
    assert peak < 8 * 2**20
    assert b"Accept-Encoding: identity" in place.requests[0]


@pytest.mark.parametrize("claimed", ["text/html", "application/x-sh", "", "image/jpeg\tx"])
def test_a_type_is_a_claim_and_decides_nothing(claimed: str) -> None:
    reply = f"HTTP/1.1 200 OK\r\nContent-Type: {claimed}\r\n\r\n".encode() + PHOTO
    with site(reply) as place:
        fetched, content = download(f"http://a.test:{place.port}/", guard(place))
    assert (fetched.content_type, content) == (claimed, PHOTO)


@pytest.mark.parametrize(
    "piece",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"X-A: b\r\n",
        b"X-" + b"a" * 70_000,
        b"a",
    ],
)
def test_a_head_without_end_is_left(piece: bytes) -> None:
    def pour(connection: socket.socket) -> None:
        if piece.startswith(b"X-"):
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(piece)

    with site(pour) as place:
        started = time.monotonic()
        with pytest.raises(FetchFailed):
            download(f"http://a.test:{place.port}/", guard(place), seconds=0.3)
        assert time.monotonic() - started < IN_TIME_SECONDS


@pytest.mark.parametrize("size", [b"-1", b"ffffffffffffffff", b"1e3", b"zz", b"5\r\nabc"])
def test_a_chunk_that_lies_about_its_size_ends_in_bounds(size: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    def lie(connection: socket.socket) -> None:
        connection.sendall(head + size + b"\r\n" + b"a" * 2 * 10**6)

    with site(lie) as place, pytest.raises((FetchFailed, FetchRefused)):
        download(f"http://a.test:{place.port}/", guard(place), max_bytes=10**6)
