"""Machines of their own, as far as the network is concerned: namespaces behind a bridge."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache

SECONDS = 20


@dataclass(frozen=True)
class Machine:
    """Its address; its namespace, and the cable from there to the bridge: empty for our own."""

    address: str
    namespace: str = ""
    cable: str = ""
    bridge: str = ""

    def unplug(self) -> None:
        """From now on packets from and to it vanish; nobody is told."""
        _ip(f"link set {self.cable} nomaster")

    def plug_in(self) -> None:
        """Put the cable back."""
        _ip(f"link set {self.cable} master {self.bridge}")

    def command(self, uid: int, gid: int) -> list[str]:
        """What starts a program there as another user, and ends it with the one who starts it."""
        as_user = [_found("setpriv"), f"--reuid={uid}", f"--regid={gid}", "--clear-groups"]
        return [_found("ip"), "netns", "exec", self.namespace, *as_user, "--pdeathsig=INT"]


@cache
def missing() -> str | None:
    """Why there can be no namespaces here."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program in ("ip", "setpriv"):
        if _path(program) is None:
            return f"the program `{program}` is missing"
    try:
        with _namespaces(1):
            return None
    except subprocess.CalledProcessError as error:  # what the kernel of a container refuses
        return f"network namespaces do not work here: {error.stderr.strip()}"


@contextmanager
def machines(count: int) -> Iterator[tuple[Machine, list[Machine]]]:
    """Our own and so many others, until the block ends; all on loopback where there can be none."""
    if missing():
        yield Machine("127.0.0.1"), [Machine("127.0.0.1")] * count
        return
    with _namespaces(count) as others:
        yield others


@contextmanager
def _namespaces(count: int) -> Iterator[tuple[Machine, list[Machine]]]:
    """Names and addresses are drawn: several runs may be at it."""
    bridge, subnet = f"lp{secrets.token_hex(3)}", f"10.213.{secrets.randbelow(254) + 1}"
    others = [
        Machine(f"{subnet}.{n}", f"{bridge}-{n}", f"{bridge}-{n}", bridge)
        for n in range(2, count + 2)
    ]
    with ExitStack() as stack:
        _ip(f"link add {bridge} type bridge")
        stack.callback(_ip, f"link delete {bridge}")
        _ip(f"address add {subnet}.1/24 dev {bridge}")
        _ip(f"link set {bridge} up")
        for each in others:
            _ip(f"netns add {each.namespace}")
            stack.callback(_ip, f"netns delete {each.namespace}")
            _ip(f"link add {each.cable} type veth peer name eth0 netns {each.namespace}")
            stack.callback(_ip, f"link delete {each.cable}")
            _ip(f"link set {each.cable} master {bridge} up")
            _ip(f"-n {each.namespace} address add {each.address}/24 dev eth0")
            for link in ("eth0", "lo"):
                _ip(f"-n {each.namespace} link set {link} up")
        yield Machine(f"{subnet}.1"), others


def _ip(arguments: str) -> None:
    subprocess.run(  # noqa: S603 names of our own
        [_found("ip"), *arguments.split()],
        check=True,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


def _found(program: str) -> str:
    """Its whole path: PostgreSQL's own PATH is short. FileNotFoundError."""
    path = _path(program)
    if path is None:
        raise FileNotFoundError(program)
    return path


def _path(program: str) -> str | None:
    """Debian puts `ip` where only root looks."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
