"""Addresses for two servers: each in a network namespace of its own where that is possible, so that
its cable can be pulled; else both on loopback.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache

from local import ports

PORT = 5432
SECONDS = 10


@dataclass(frozen=True)
class Place:
    """Where a server listens. cable: the interface that joins its namespace to the bridge."""

    host: str
    port: int
    namespace: str = ""
    cable: str = ""
    bridge: str = ""

    def cut(self) -> None:
        """From now on packets from and to this place vanish; nobody is told."""
        _ip("link", "set", self.cable, "nomaster")

    def mend(self) -> None:
        """Put the cable back."""
        _ip("link", "set", self.cable, "master", self.bridge)

    def command(self, uid: int, gid: int) -> list[str]:
        """What starts a program there as another user, and ends it with the one who starts it."""
        around = [_found("setpriv"), f"--reuid={uid}", f"--regid={gid}", "--clear-groups"]
        return [_found("ip"), "netns", "exec", self.namespace, *around, "--pdeathsig=INT"]


@cache
def missing() -> str | None:
    """Why there can be no namespaces here."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program in ("ip", "setpriv"):
        if shutil.which(program) is None:
            return f"the program `{program}` is missing"
    try:
        with _namespaces(1):
            return None
    except subprocess.CalledProcessError as error:
        return f"network namespaces do not work here: {error.stderr.strip()}"


@contextmanager
def two_places() -> Iterator[tuple[Place, Place]]:
    """Two of them, until the block ends."""
    if missing():
        yield Place("127.0.0.1", ports.reserve()), Place("127.0.0.1", ports.reserve())
        return
    with _namespaces(2) as (first, second):
        yield first, second


@contextmanager
def _namespaces(number: int) -> Iterator[list[Place]]:
    """Namespaces on a bridge that this machine is on, too; each run has its own."""
    bridge, subnet = f"lpf{secrets.token_hex(3)}", f"10.213.{secrets.randbelow(254) + 1}"
    places = [
        Place(f"{subnet}.{n}", PORT, f"{bridge}-{n}", f"{bridge}-{n}", bridge)
        for n in range(2, number + 2)
    ]
    with ExitStack() as stack:
        _ip("link", "add", bridge, "type", "bridge")
        stack.callback(_ip, "link", "delete", bridge)
        _ip("address", "add", f"{subnet}.1/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        for place in places:
            _ip("netns", "add", place.namespace)
            stack.callback(_ip, "netns", "delete", place.namespace)
            peer = ("peer", "name", "eth0", "netns", place.namespace)
            _ip("link", "add", place.cable, "type", "veth", *peer)
            stack.callback(_ip, "link", "delete", place.cable)
            _ip("link", "set", place.cable, "master", bridge, "up")
            there = ("-n", place.namespace)
            _ip(*there, "address", "add", f"{place.host}/24", "dev", "eth0")
            for link in ("eth0", "lo"):
                _ip(*there, "link", "set", link, "up")
        yield places


def _ip(*arguments: str) -> None:
    subprocess.run(
        [_found("ip"), *arguments], check=True, capture_output=True, text=True, timeout=SECONDS
    )


def _found(program: str) -> str:
    """Its whole path: PostgreSQL's own one is short."""
    path = shutil.which(program)
    if path is None:
        raise FileNotFoundError(program)
    return path
