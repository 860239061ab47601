"""A primary and its standby, which change places; the address of the database names both."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.failover.node import Node
from local import machines
from local.postgres import cluster
from local.postgres.embedded import DATABASE


class Pair:
    """Whoever plays a case stands for Patroni: it kills, fences and promotes."""

    def __init__(self, nodes: tuple[Node, Node], password: str) -> None:
        self.nodes = nodes
        self.primary, self.standby = nodes
        hosts = ",".join(node.address for node in nodes)
        login = f"{cluster.ROLE}:{password}"
        self.url = f"postgresql://{login}@{hosts}/{DATABASE}?target_session_attrs=read-write"

    def promote(self) -> None:
        """The standby takes the primary's place, and is alone."""
        self.primary, self.standby = self.standby, self.primary
        self.primary.promote()

    def rejoin(self, *, synchronous: bool = True) -> None:
        """The old primary, which must be dead, becomes the standby."""
        self.standby.follow(self.primary)
        if synchronous:
            self.primary.wait_for_standby()

    def switch_over(self) -> None:
        """As planned: stop the primary in order, promote, bring it back."""
        self.primary.stop()
        self.promote()


@contextmanager
def pair(folder: Path) -> Iterator[Pair]:
    """A synchronous pair in `folder` for the length of the block."""
    password = secrets.token_urlsafe(24)
    with machines.machines(2) as (_, others):
        first, second = (
            Node(folder / name, machine, password)
            for name, machine in zip(("node-1", "node-2"), others, strict=True)
        )
        try:
            first.create()
            second.copy(first)
            first.wait_for_standby()
            yield Pair((first, second), password)
        finally:
            first.kill()
            second.kill()
