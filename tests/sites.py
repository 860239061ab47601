"""Sites on loopback with scripted answers, and downloads from them."""

from __future__ import annotations

import io
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from providers.addresses import Address
from providers.fetch import Fetched, FetchRefused, Guard, fetch

CERTIFICATES = Path(__file__).parent / "providers/certificates"
LOOPBACK = ip_address("127.0.0.1")
PHOTO = bytes(range(256)) * 1000
Reply = Callable[[socket.socket], None]


@dataclass
class Site:
    """A server on loopback with scripted answers, byte for byte."""

    reply: Reply
    address: str = "127.0.0.1"
    port: int = 0
    tls: ssl.SSLContext | None = None
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.answer, args=[connection], daemon=True).start()

    def answer(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.settimeout(60)
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection:
                head = b""
                while b"\r\n\r\n" not in head:
                    if not (part := connection.recv(4096)):
                        return
                    head += part
                self.requests.append(head)
                self.reply(connection)


@contextmanager
def site(reply: bytes | Reply, **options: Any) -> Iterator[Site]:
    played = reply if callable(reply) else lambda connection: connection.sendall(reply)
    place = Site(played, **options)
    with socket.create_server((place.address, place.port)) as listener:
        place.port = listener.getsockname()[1]
        thread = threading.Thread(target=place.serve, args=[listener], daemon=True)
        thread.start()
        yield place
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def ok(body: bytes = PHOTO, *headers: str) -> bytes:
    lines = ("HTTP/1.1 200 OK", "Content-Type: image/jpeg", *headers)
    if not any(line.startswith(("Content-Length", "Transfer-Encoding")) for line in headers):
        lines += (f"Content-Length: {len(body)}",)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def redirect(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Go\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


def to_loopback(host: str, seconds: float) -> list[Address]:
    return [LOOPBACK]


def guard(*places: Site, **options: Any) -> Guard:
    """The real rules, but for these ports, and 127.0.0.1 stands for the internet."""
    return Guard(
        **{
            "allows": lambda address: address == LOOPBACK,
            "ports": frozenset(place.port for place in places),
            "resolve": to_loopback,
            **options,
        }
    )


def download(
    url: str, rules: Guard, *, max_bytes: int = 10**6, seconds: float = 60.0
) -> tuple[Fetched, bytes]:
    target = io.BytesIO()
    fetched = fetch(url, target, max_bytes=max_bytes, deadline_seconds=seconds, guard=rules)
    return fetched, target.getvalue()


def refusal(url: str, rules: Guard | None = None, **options: Any) -> str:
    with pytest.raises(FetchRefused) as caught:
        download(url, rules or Guard(), **options)
    assert caught.value.message.endswith(".")
    return caught.value.code


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "photos.test.pem")
    return context


def client_tls() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(CERTIFICATES / "authority.pem"))
