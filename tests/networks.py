"""Machines of their own, as far as the network is concerned: namespaces behind a bridge."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

IP = shutil.which("ip", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


@dataclass(frozen=True)
class Place:
    """Where a program runs: its address, and its namespace, empty for that of the tests."""

    address: str
    namespace: str = ""


@contextmanager
def places(count: int) -> Iterator[tuple[Place, list[Place]]]:
    """Our own place and so many others; all on loopback where no namespaces can be made."""
    with ExitStack() as stack:
        yield _apart(count, stack) or (Place("127.0.0.1"), [Place("127.0.0.1")] * count)


def _apart(count: int, stack: ExitStack) -> tuple[Place, list[Place]] | None:
    """Names and addresses hold the number of this process: several may be at it."""
    pid = os.getpid()
    subnet = f"10.{64 + pid % 128}.{pid // 128 % 256}"
    bridge, names = f"lp{pid}", [f"lp{pid}-{number}" for number in range(count)]
    if IP is None or os.geteuid() != 0 or not _runs(f"link add {bridge} type bridge"):
        return None
    stack.callback(_runs, f"link del {bridge}")
    # What the kernel of a container refuses, it refuses here.
    if not (
        _runs(f"addr add {subnet}.1/24 dev {bridge}")
        and _runs(f"link set {bridge} up")
        and all(_add(name, bridge, f"{subnet}.{11 + n}", stack) for n, name in enumerate(names))
    ):
        return None
    here = Place(f"{subnet}.1")
    return here, [Place(f"{subnet}.{11 + n}", name) for n, name in enumerate(names)]


def _add(name: str, bridge: str, address: str, stack: ExitStack) -> bool:
    if not _runs(f"netns add {name}"):
        return False
    stack.callback(_runs, f"netns del {name}")
    port = f"v{name}"
    return (
        _runs(f"link add {port} type veth peer name eth0 netns {name}")
        and _runs(f"link set {port} master {bridge} up")
        and _runs(f"-n {name} addr add {address}/24 dev eth0")
        and _runs(f"-n {name} link set eth0 up")
        and _runs(f"-n {name} link set lo up")
    )


def _runs(arguments: str) -> bool:
    command = [str(IP), *arguments.split()]
    return subprocess.run(command, capture_output=True, timeout=20).returncode == 0
