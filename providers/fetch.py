"""Downloads a URL that a stranger gave, without letting it lead into our own network.

Every host, including those of redirects, is resolved once; all its addresses must be public, and
the connection goes to one of them, so a name that changes its answer in between gains nothing.
OWASP API7:2023, Server Side Request Forgery.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import BinaryIO
from urllib.parse import urljoin

import certifi
import requests
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from images import REFUSALS
from providers import outside
from providers.addresses import Address, is_inside_by_name, is_public, resolve
from providers.sessions import USER_AGENT
from providers.sockets import cut_at, first_answering, seconds_left

MAX_REDIRECTS = 3
CONNECT_SECONDS = 5.0
CHUNK_BYTES = 64 * 1024
PORTS = {"http": 80, "https": 443}
REDIRECTS = {301, 302, 303, 307, 308}
PASSING = {408, 425, 429}  # refusals that may not come another time

_TEXTS = {
    "url_not_allowed": "Ссылка не подходит: нужен общедоступный адрес http:// или https://.",
    "url_not_found": "По ссылке нет файла. Проверьте, что она открывается без входа и пароля.",
    "url_untrusted": "Сайт по ссылке не подтвердил свою подлинность. Загрузите фото иначе.",
    "url_too_large": REFUSALS["file_too_large"],
}


class FetchRefused(Exception):
    """It will not work another time either. `code`, and `message` for the customer."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = _TEXTS[code]


class FetchFailed(Exception):
    """A temporary failure; the text names the host but never the path, which may hold secrets."""


@dataclass(frozen=True)
class Fetched:
    """What was downloaded: size in bytes, and the type that the other side claims."""

    content_type: str
    size: int


@cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certifi.where())


@dataclass(frozen=True)
class Home:
    """A server of the operator's own settings: reached wherever it is, with these headers.

    url: its scheme, host and port count; the headers go to no other.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Guard:
    """What may be reached and how; the default is the public internet.

    hosts: if any, only these names and those below them, and only by https. home: besides.
    """

    allows: Callable[[Address], bool] = is_public
    ports: frozenset[int] = frozenset(PORTS.values())
    resolve: Callable[[str, float], list[Address]] = resolve
    trust: ssl.SSLContext = field(default_factory=_trust)
    hosts: tuple[str, ...] = ()
    home: Home | None = None

    def is_home(self, destination: _Destination) -> bool:
        """Whether a destination is exactly the operator's server: scheme, host and port."""
        return self.home is not None and _taken_apart(self.home.url).origin == destination.origin

    def names(self, destination: _Destination) -> bool:
        """Whether a destination may be reached, if its addresses may."""
        if destination.port not in self.ports:
            return False
        below = any(
            destination.host == host or destination.host.endswith(f".{host}") for host in self.hosts
        )
        return not self.hosts or (below and destination.secure)


def fetch(
    url: str,
    target: BinaryIO,
    *,
    max_bytes: int,
    deadline_seconds: float,
    guard: Guard | None = None,
) -> Fetched:
    """Write the contents of `url` to `target`: at most `max_bytes`, in `deadline_seconds` in all.

    The type that the other side claims proves nothing: check the bytes. FetchRefused when it will
    never work, FetchFailed when it may work later; `target` may then hold a part.
    """
    outside.leave("fetch")
    guard = guard or Guard()
    deadline = time.monotonic() + deadline_seconds
    for _ in range(MAX_REDIRECTS + 1):
        destination = _parsed(url, guard)
        with (
            _translated(destination),
            closing(_open_connection(destination, guard, deadline)) as sock,
            cut_at(deadline, sock),
            closing(_send_request(destination, sock, guard)) as response,
        ):
            location = response.getheader("Location")
            if response.status not in REDIRECTS or location is None:
                _refuse_failure(destination, response)
                size = _copy_body(response, target, max_bytes, deadline)
                return Fetched(response.getheader("Content-Type", ""), size)
            # http.client decodes headers as Latin-1; some sites send unquoted paths.
            url = urljoin(url, location.encode("latin-1").decode(errors="replace"))
    raise FetchRefused("url_not_found")


def is_surely_refused(url: str) -> bool:
    """Whether fetch() will refuse `url` whatever anybody answers: by its shape, port or host.

    Nobody is asked: what a name resolves to is seen only when it is fetched.
    """
    try:
        return is_inside_by_name(_parsed(url, Guard()).host)
    except FetchRefused:
        return True


@dataclass(frozen=True)
class _Destination:
    """A URL taken apart."""

    secure: bool
    host: str
    port: int
    authority: str  # as the Host header says it
    path: str

    @property
    def origin(self) -> tuple[bool, str, int]:
        return self.secure, self.host, self.port

    def __str__(self) -> str:
        return self.authority


def _parsed(url: str, guard: Guard) -> _Destination:
    destination = _taken_apart(url)
    if not guard.is_home(destination) and not guard.names(destination):
        raise FetchRefused("url_not_allowed")
    return destination


def _taken_apart(url: str) -> _Destination:
    try:
        # Host names in any script become ASCII, and characters illegal in a path are quoted.
        parts: Url = parse_url(requests.Request("GET", url).prepare().url or "")
    except (requests.RequestException, LocationParseError, ValueError) as error:
        raise FetchRefused("url_not_allowed") from error
    if parts.scheme not in PORTS or parts.auth is not None or not parts.host:
        raise FetchRefused("url_not_allowed")
    port = PORTS[parts.scheme] if parts.port is None else parts.port
    return _Destination(
        secure=parts.scheme == "https",
        host=parts.host.strip("[]"),
        port=port,
        authority=parts.host if port == PORTS[parts.scheme] else f"{parts.host}:{port}",
        path=parts.request_uri,
    )


@contextmanager
def _translated(destination: _Destination) -> Iterator[None]:
    """Turns network errors into our two."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise FetchRefused("url_untrusted") from error
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            raise FetchFailed(f"{destination}: name not resolved") from error
        raise FetchRefused("url_not_found") from error
    except ValueError as error:  # an unreadable name or address, such as http://[x
        raise FetchRefused("url_not_allowed") from error
    except (OSError, http.client.HTTPException) as error:
        raise FetchFailed(f"{destination}: {type(error).__name__}") from error


def _open_connection(destination: _Destination, guard: Guard, deadline: float) -> socket.socket:
    """A connection to an address that was checked; with TLS the name is verified too."""
    addresses = guard.resolve(destination.host, seconds_left(deadline))
    # One private address among public ones is an attempt, not a mistake.
    if not guard.is_home(destination) and not all(guard.allows(address) for address in addresses):
        raise FetchRefused("url_not_allowed")
    sock = first_answering(addresses, destination.port, seconds=CONNECT_SECONDS, deadline=deadline)
    try:
        sock.settimeout(seconds_left(deadline))
        if destination.secure:
            sock = guard.trust.wrap_socket(sock, server_hostname=destination.host)
    except BaseException:
        sock.close()
        raise
    return sock


def _send_request(
    destination: _Destination, sock: socket.socket, guard: Guard
) -> http.client.HTTPResponse:
    """The head of the response; http.client limits its lines and their number."""
    connection = http.client.HTTPConnection(destination.host, destination.port)
    connection.sock = sock
    headers = {
        "Host": destination.authority,
        "User-Agent": USER_AGENT,
        "Accept": "image/*, */*;q=0.5",
        "Accept-Encoding": "identity",  # what is measured is what is stored
        "Connection": "close",
    }
    if guard.home is not None and guard.is_home(destination):
        headers |= guard.home.headers
    connection.request("GET", destination.path, headers=headers)
    return connection.getresponse()


def _refuse_failure(destination: _Destination, response: http.client.HTTPResponse) -> None:
    status = response.status
    if status >= 500 or status in PASSING:
        raise FetchFailed(f"{destination}: answered {status}")
    if status != 200:
        raise FetchRefused("url_not_found")


def _copy_body(
    response: http.client.HTTPResponse, target: BinaryIO, max_bytes: int, deadline: float
) -> int:
    if response.length is not None and response.length > max_bytes:
        raise FetchRefused("url_too_large")
    size = 0
    while chunk := response.read1(CHUNK_BYTES):
        size += len(chunk)
        if size > max_bytes:
            raise FetchRefused("url_too_large")
        target.write(chunk)
    seconds_left(deadline)  # a connection that was cut looks like an end
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return size
