"""Addresses of PostgreSQL: of one server, or of several of which one takes writes at a time."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

SCHEMES = ("postgres", "postgresql", "postgresql+psycopg2")
DRIVER = "postgresql+psycopg2"
PORT = "5432"
# What libpq calls a server that takes writes.
WRITABLE = ("read-write", "primary")


def in_psycopg2(url: str) -> str:
    """The same database in the one spelling that SQLAlchemy and libpq both read.

    SQLAlchemy 2.1 takes a bare scheme for psycopg 3. It expects several hosts as
    `host=A:1&host=B:2`, libpq as `A:1,B:2`; `/database?host=A,B&port=1,2` is right for both.
    """
    scheme, _, rest = url.partition("://")
    if scheme not in SCHEMES:
        return url
    found = list(hosts(url))
    if len(found) < 2:
        return f"{DRIVER}://{rest}"
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    query = [
        ("host", ",".join(host for host, _ in found)),
        ("port", ",".join(port for _, port in found)),
        *(each for each in parse_qsl(parts.query) if each[0] not in ("host", "port")),
    ]
    return f"{DRIVER}://{user}{at}{parts.path}?{urlencode(query, quote_via=quote, safe=',[]:')}"


def plain(url: str) -> str:
    """The URL as libpq reads it: without the name of a driver, which only SQLAlchemy knows."""
    scheme, _, rest = url.partition("://")
    return f"postgresql://{rest}" if scheme == DRIVER else url


def fault(url: str) -> str | None:
    """What is wrong with a database's address, with the fix."""
    if url.partition("://")[0] not in SCHEMES:
        return "must start with postgresql://"
    if url.partition("?")[0].count("@") > 1:
        # What follows the first one would be taken for a host, and be shown as such.
        return "has an @ in its user or password: write it as %40"
    try:
        list(hosts(url))
    except ValueError as error:
        return f"is not a valid address: {error}"
    asked = dict(parse_qsl(urlsplit(url).query)).get("target_session_attrs")
    if len(list(hosts(url))) > 1 and asked not in WRITABLE:
        return (
            "names several hosts, so it needs target_session_attrs=read-write: else connections"
            " would be made to a standby, too"
        )
    return None


def hosts(url: str) -> Iterator[tuple[str, str]]:
    """Host and port of each server that an address names, in its order."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query)
    named = [host for name, value in query if name == "host" for host in value.split(",")]
    ports = [port for name, value in query if name == "port" for port in value.split(",")]
    if not named:
        named = parts.netloc.rpartition("@")[2].split(",")
    for index, each in enumerate(named):
        host, port = _apart(each)
        given = ports[min(index, len(ports) - 1)] if ports else ""
        yield host, port or given or PORT


def _apart(address: str) -> tuple[str, str]:
    """Host and port of `host`, `host:port`, `[::1]` or `[::1]:port`; a folder is a socket's."""
    if address.startswith("["):
        host, _, port = address[1:].partition("]")
        return host, port.removeprefix(":")
    host, _, port = address.partition(":")
    return (host, port) if address.count(":") == 1 else (address, "")
