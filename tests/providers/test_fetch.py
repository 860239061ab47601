"""A customer's link is downloaded, and never leads into our own network."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from contextlib import suppress
from ipaddress import ip_address

import pytest

import providers.fetch
from providers.addresses import Address
from providers.fetch import Fetched, FetchFailed, Guard
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


def test_a_photo_is_downloaded_with_the_right_host_and_nothing_personal() -> None:
    with site(ok()) as place:
        fetched, body = download(f"http://photos.test:{place.port}/a%20b?c=d#e", guard(place))
        assert (fetched, body) == (Fetched("image/jpeg", len(PHOTO)), PHOTO)
        head = place.requests[0].decode().split("\r\n")
        assert head[0] == "GET /a%20b?c=d HTTP/1.1"
        assert f"Host: photos.test:{place.port}" in head
        assert not [line for line in head if line.startswith(("Cookie", "Referer", "Auth"))]


def test_a_chunked_photo_and_one_that_ends_with_the_connection_are_downloaded() -> None:
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (PHOTO[:7], PHOTO[7:]))
    for reply in (
        ok(chunked + b"0\r\n\r\n", "Transfer-Encoding: chunked"),
        b"HTTP/1.1 200 OK\r\n\r\n" + PHOTO,
    ):
        with site(reply) as place:
            assert download(f"http://a.test:{place.port}/", guard(place))[1] == PHOTO


def test_addresses_in_any_script_work() -> None:
    with site(ok()) as place:
        download(f"http://фото.рф:{place.port}/дед 1945.jpg", guard(place))
        assert place.requests[0].startswith(b"GET /%D0%B4%D0%B5%D0%B4%201945.jpg ")
        assert b"Host: " + "фото.рф".encode("idna") in place.requests[0]


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with site(ok()) as place, site(ok(b"proxy")) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert download(f"http://a.test:{place.port}/", guard(place))[1] == PHOTO
        assert proxy.connections == 0


@pytest.mark.parametrize(
    "url",
    [
        "",
        "photo.jpg",
        "//127.0.0.1/",
        "file:///etc/passwd",
        "ftp://8.8.8.8/a",
        "gopher://8.8.8.8:80/_x",
        "data:image/png;base64,AAAA",
        "http://",
        "http:///a",
        "http://user@8.8.8.8/",
        "http://user:password@8.8.8.8/",
        "http://8.8.8.8:22/",
        "http://8.8.8.8:8080/",
        "http://8.8.8.8:99999/",
        "http://[::1/",
        "http://" + "a" * 64 + ".test/",
        "http://a..b/",
    ],
)
def test_what_is_not_a_public_web_address_is_refused(url: str) -> None:
    assert refusal(url) == "url_not_allowed"


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "0.0.0.0",
        "127.0.0.1.",
        "127。0。0。1",
        "１２７.0.0.1",
        "[::1]",
        "[::]",
        "[::ffff:7f00:1]",
        "[::ffff:127.0.0.1]",
        "[::7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "10.0.0.1",
        "169.254.169.254",
        "[fe80::1%25lo]",
        "a@127.0.0.1",
        "a:b@127.0.0.1",
        "8.8.8.8#@127.0.0.1",
        "8.8.8.8\\@127.0.0.1",
    ],
)
def test_no_spelling_of_an_inner_address_is_connected_to(host: str) -> None:
    with site(ok(), address="0.0.0.0") as place:
        rules = Guard(ports=frozenset({place.port}))
        assert refusal(f"http://{host}:{place.port}/", rules) in (
            "url_not_allowed",
            "url_not_found",
        )
        assert place.connections == 0


def test_one_private_address_among_public_ones_is_refused() -> None:
    def both(host: str, seconds: float) -> list[Address]:
        return [LOOPBACK, ip_address("127.0.0.2")]

    with site(ok()) as place:
        rules = guard(place, resolve=both)
        assert refusal(f"http://a.test:{place.port}/", rules) == "url_not_allowed"
        assert place.connections == 0


def test_a_name_that_changes_its_answer_after_the_check_gains_nothing() -> None:
    answers = itertools.chain([LOOPBACK], itertools.repeat(ip_address("127.0.0.2")))

    def rebinding(host: str, seconds: float) -> list[Address]:
        return [next(answers)]

    with site(ok()) as place, site(ok(b"inner"), address="127.0.0.2", port=place.port) as inner:
        rules = guard(place, resolve=rebinding)
        assert download(f"http://a.test:{place.port}/", rules)[1] == PHOTO
        assert refusal(f"http://a.test:{place.port}/", rules) == "url_not_allowed"
        assert (place.connections, inner.connections) == (1, 0)


def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    def two(host: str, seconds: float) -> list[Address]:
        return [ip_address("127.0.0.2"), LOOPBACK]

    with site(ok()) as place:
        rules = guard(place, resolve=two, allows=lambda _: True)
        assert download(f"http://a.test:{place.port}/", rules)[1] == PHOTO


def test_a_site_may_think_longer_than_a_connection_may_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(providers.fetch, "CONNECT_SECONDS", 0.1)

    def think(connection: socket.socket) -> None:
        time.sleep(0.3)
        connection.sendall(ok())

    with site(think) as place:
        assert download(f"http://a.test:{place.port}/", guard(place))[1] == PHOTO


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(status: int) -> None:
    with site(ok()) as place, site(redirect(f"http://b.test:{place.port}/x", status)) as first:
        rules = guard(place, first)
        assert download(f"http://a.test:{first.port}/", rules)[1] == PHOTO
        assert f"Host: b.test:{place.port}".encode() in place.requests[0]


def test_a_relative_redirect_in_raw_utf_8_is_followed() -> None:
    replies = iter([redirect("/дед.jpg"), ok()])
    with site(lambda connection: connection.sendall(next(replies))) as place:
        download(f"http://a.test:{place.port}/a", guard(place))
        assert place.requests[1].startswith(b"GET /%D0%B4%D0%B5%D0%B4.jpg ")


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.2:{port}/", "http://inner.test:{port}/", "//inner.test:{port}/"]
    + ["http://a@b.test:{port}/", "http://b.test:22/", "file:///etc/passwd"],
)
def test_a_redirect_into_our_network_is_refused(location: str) -> None:
    def names(host: str, seconds: float) -> list[Address]:
        return [LOOPBACK if host == "a.test" else ip_address("127.0.0.2")]

    with site(b"") as place, site(ok(), address="127.0.0.2", port=place.port) as inner:
        place.reply = lambda c: c.sendall(redirect(location.format(port=place.port)))
        rules = guard(place, resolve=names)
        assert refusal(f"http://a.test:{place.port}/", rules) == "url_not_allowed"
        assert inner.connections == 0


@pytest.mark.parametrize("location", ["http://[x", "//a]b/", "http://a\u2100b/", "http://b:x/"])
def test_a_redirect_that_nobody_can_read_is_refused(location: str) -> None:
    with site(redirect(location)) as place:
        assert refusal(f"http://a.test:{place.port}/", guard(place)) == "url_not_allowed"


@pytest.mark.parametrize("url", ["http://[x", "ftp://[x", "http://a]b/"])
def test_a_link_that_nobody_can_read_is_refused(url: str) -> None:
    with site(ok()) as place:
        assert refusal(url, guard(place)) == "url_not_allowed"


def test_endless_redirects_end() -> None:
    with site(redirect("/again")) as place:
        assert refusal(f"http://a.test:{place.port}/", guard(place)) == "url_not_found"
        assert len(place.requests) == 4


@pytest.mark.parametrize("status", [204, 206, 304, 400, 401, 403, 404, 410])
def test_a_missing_file_is_final(status: int) -> None:
    with site(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode()) as place:
        assert refusal(f"http://a.test:{place.port}/", guard(place)) == "url_not_found"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_busy_site_is_worth_another_try(status: int) -> None:
    with (
        site(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode()) as place,
        pytest.raises(FetchFailed, match=rf"a\.test:{place.port}: answered {status}"),
    ):
        download(f"http://a.test:{place.port}/secret-path", guard(place))


def test_a_site_that_does_not_listen_is_worth_another_try_and_its_path_stays_secret() -> None:
    with site(ok()) as place:
        pass
    with pytest.raises(FetchFailed) as caught:
        download(f"http://a.test:{place.port}/secret-path", guard(place))
    assert "secret-path" not in str(caught.value)


def test_a_name_that_does_not_exist_is_final_and_one_that_is_not_answered_is_not() -> None:
    def missing(host: str, seconds: float) -> list[Address]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    def unanswered(host: str, seconds: float) -> list[Address]:
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    assert refusal("http://a.test/", Guard(resolve=missing)) == "url_not_found"
    with pytest.raises(FetchFailed):
        download("http://a.test/", Guard(resolve=unanswered))


def test_a_file_of_exactly_the_limit_is_taken_and_one_byte_more_is_not() -> None:
    for body in (ok(), b"HTTP/1.1 200 OK\r\n\r\n" + PHOTO):
        with site(body) as place:
            url = f"http://a.test:{place.port}/"
            assert download(url, guard(place), max_bytes=len(PHOTO))[0].size == len(PHOTO)
            assert refusal(url, guard(place), max_bytes=len(PHOTO) - 1) == "url_too_large"


def test_an_endless_body_is_cut_at_the_limit() -> None:
    sent = 0

    def pour(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            sent += connection.send(PHOTO)

    with site(pour) as place:
        assert refusal(f"http://a.test:{place.port}/", guard(place)) == "url_too_large"
    assert sent < 20 * 10**6


def test_a_body_shorter_than_announced_is_worth_another_try() -> None:
    with site(ok(PHOTO, f"Content-Length: {len(PHOTO) + 1}")) as place, pytest.raises(FetchFailed):
        download(f"http://a.test:{place.port}/", guard(place))


def test_a_body_longer_than_announced_is_cut_there() -> None:
    with site(ok(PHOTO, "Content-Length: 10")) as place:
        assert download(f"http://a.test:{place.port}/", guard(place))[1] == PHOTO[:10]


@pytest.mark.parametrize(
    "start",
    [
        b"",  # of the status line
        b"HTTP/1.1 200 OK\r\n",  # of the headers
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",  # of a chunk's size
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
)
@pytest.mark.parametrize("secure", [False, True])
def test_a_byte_at_a_time_ends_at_the_deadline(start: bytes, secure: bool) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(b"1")
            time.sleep(0.05)

    with site(drip, tls=server_tls() if secure else None) as place:
        started = time.monotonic()
        with pytest.raises(FetchFailed):
            scheme = "https" if secure else "http"
            rules = guard(place, trust=client_tls())
            download(f"{scheme}://photos.test:{place.port}/", rules, seconds=0.4)
        assert 0.3 < time.monotonic() - started < IN_TIME_SECONDS


def test_a_tls_handshake_that_drips_ends_at_the_deadline() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        with suppress(OSError), connection:
            connection.sendall(b"\x16\x03\x03\x40\x00")  # a record of 16 KiB is to come
            while not stop.wait(0.05):
                connection.sendall(b"\x02")

    thread = threading.Thread(target=drip)
    thread.start()
    started = time.monotonic()
    port = listener.getsockname()[1]
    with listener, pytest.raises(FetchFailed):
        rules = guard(ports=frozenset({port}))
        download(f"https://photos.test:{port}/", rules, seconds=0.4)
    assert time.monotonic() - started < IN_TIME_SECONDS
    stop.set()
    thread.join()


def test_over_tls_the_name_of_the_link_is_asked_for_and_proved() -> None:
    names: list[str | None] = []
    tls = server_tls()
    tls.sni_callback = lambda sock, name, context: names.append(name)
    with site(ok(), tls=tls) as place:
        rules = guard(place, trust=client_tls())
        assert download(f"https://photos.test:{place.port}/", rules)[1] == PHOTO
        assert names == ["photos.test"]
        assert f"Host: photos.test:{place.port}".encode() in place.requests[0]


def test_a_certificate_of_another_name_or_of_nobody_known_is_refused() -> None:
    with site(ok(), tls=server_tls()) as place:
        other_name = refusal(f"https://other.test:{place.port}/", guard(place, trust=client_tls()))
        unknown = refusal(f"https://photos.test:{place.port}/", guard(place))
        assert (other_name, unknown) == ("url_untrusted", "url_untrusted")
        assert place.requests == []


def test_by_default_only_the_ports_of_the_web_are_open() -> None:
    assert Guard().ports == {80, 443}
