"""What happens to a pair of servers, each as a function that plays it once and mends it again."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, Protocol, TypeVar

from db.types import now
from lab.chaos.audit import Check
from lab.chaos.books import Books
from lab.chaos.system import System
from lab.failover import rows
from lab.failover.pair import Pair
from lab.failover.watch import Watch
from local import machines, ports


class Cluster(Protocol):
    """Servers that cases break; `url` names all of them."""

    url: str


Database = TypeVar("Database", bound=Cluster)

DETECTION_SECONDS = 3.0  # until somebody believes that a frozen server is dead
AWAY_SECONDS = 20.0
UNREADY_SECONDS = 8.0  # readiness may take so long to tell
UNFENCED_SECONDS = 12.0  # each process looks at both servers every 10 s
LAG_SECONDS = 3.0
SEARCHED = timedelta(minutes=10)  # longer than a round


# What the product logs at ERROR, and rightly so.
TWO_PRIMARIES = "several servers take writes"


@dataclass
class Stage(Generic[Database]):
    """What a case acts on. findings: checks of its own. notes: sentences for the report."""

    database: Database
    system: System
    watch: Watch
    books: Books
    findings: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Case(Generic[Database]):
    """times: how often it is played in a round. missing: why it cannot be played here. loses:
    whether acknowledged writes may be lost, as is the nature of the case.
    """

    name: str
    words: str
    play: Callable[[Stage[Database]], None]
    times: int = 1
    missing: Callable[[], str | None] = lambda: None
    loses: bool = False


def killed(stage: Stage[Pair]) -> None:
    """The primary is gone at once; its memory with it."""
    stage.database.primary.kill()
    _take_over(stage)


def cut_off(stage: Stage[Pair]) -> None:
    """Packets to the primary vanish, and nobody is told. It is fenced before it is joined again."""
    old = stage.database.primary
    old.machine.unplug()
    try:
        stage.database.promote()
        stage.watch.wait_for_writes()
        old.kill()
    finally:
        old.machine.plug_in()
    stage.database.rejoin()


def frozen(stage: Stage[Pair]) -> None:
    """The primary takes connections and answers nobody, until it is fenced."""
    old = stage.database.primary
    old.freeze()
    time.sleep(DETECTION_SECONDS)
    old.kill()
    _take_over(stage)


def thawed(stage: Stage[Pair]) -> None:
    """A frozen primary goes on, unfenced, when another one has taken its place."""
    old = stage.database.primary
    old.freeze()
    stage.database.promote()
    time.sleep(DETECTION_SECONDS)
    old.thaw()
    time.sleep(UNFENCED_SECONDS)
    old.kill()
    stage.watch.wait_for_writes()
    stage.database.rejoin()


def switched_over(stage: Stage[Pair]) -> None:
    """As planned: nothing is lost, and nobody has to be fenced."""
    stage.database.switch_over()
    stage.watch.wait_for_writes()
    stage.database.rejoin()


def standby_away(stage: Stage[Pair]) -> None:
    """No commit is acknowledged until the standby is back; what only reads goes on."""
    stage.database.standby.kill()
    gone = time.monotonic()
    time.sleep(AWAY_SECONDS)
    back = time.monotonic()
    stage.database.standby.start()
    stage.database.primary.wait_for_standby()
    stage.watch.wait_for_writes()
    watch = stage.watch
    writes = watch.statuses(watch.writes, gone, back)
    reads = watch.statuses(watch.reads, gone, back)
    asked = [m for m in itertools.chain(*watch.ready) if gone + UNREADY_SECONDS < m.began < back]
    well = [m.began - gone for m in asked if m.note]
    late = [f"{len(well)} times all was well, last {max(well):.1f} s later"] if well else []
    stage.notes.append(f"meanwhile writes met {_listed(writes)}, reads {_listed(reads)}")
    stage.findings += [
        _only(writes, 503, "without its standby no write is acknowledged"),
        _only(reads, 200, "without its standby reads go on"),
        Check("readiness tells that nothing can be written", len(asked), late),
    ]


def unfenced(stage: Stage[Pair]) -> None:
    """The old primary comes back beside the new one, first in the address and without a standby to
    wait for, and the servers connect anew.
    """
    pair = stage.database
    if pair.primary is not pair.nodes[0]:
        switched_over(stage)
    old = pair.primary
    old.kill()
    pair.promote()
    stage.watch.wait_for_writes()
    old.start("--synchronous_standby_names=")
    for server in stage.system.servers:
        for process in server.processes()[1:]:
            process.kill()
    time.sleep(UNFENCED_SECONDS)
    old.kill()
    stage.watch.wait_for_writes()
    pair.rejoin()
    logs = [part.log.read_text() for part in stage.system.stack.children]
    silent = [] if any(TWO_PRIMARIES in each for each in logs) else ["no log has a word of it"]
    stage.findings.append(Check("an operator is told of two primaries", len(logs), silent))


def asynchronous(stage: Stage[Pair]) -> None:
    """Nobody waits for the standby, which hears nothing for some seconds; then the primary dies."""
    pair, old = stage.database, stage.database.primary
    old.wait_for_nobody()
    stage.watch.wait_for_writes()
    for sender in old.processes("walsender"):
        sender.suspend()
    time.sleep(LAG_SECONDS)
    old.kill()
    pair.promote()
    stage.watch.wait_for_writes()
    promised = rows.promised(stage.books, stage.watch.acknowledged())
    lost = rows.missing(pair.primary.url(), promised)
    # Its disk is whole: read there, where no server looks for it, before it is rewound.
    aside = ports.reserve()
    old.start("--default_transaction_read_only=on", port=aside)
    nowhere = rows.missing(old.url(port=aside), lost)
    old.kill()
    stage.notes.append(rows.sentence(promised, lost, nowhere, paid=stage.books.paid))
    pair.rejoin(synchronous=False)
    said = stage.system.recover_payments(now() - SEARCHED).splitlines()[-1]
    stage.notes.append(f"`cli.py payments recover` afterwards: {said}")


def _take_over(stage: Stage[Pair]) -> None:
    stage.database.promote()
    stage.watch.wait_for_writes()
    stage.database.rejoin()


def _only(met: Counter[int], status: int, rule: str) -> Check:
    others = [f"{n} times {each}" for each, n in met.items() if each != status]
    return Check(rule, met.total(), others if met else ["nobody was answered"])


def _listed(met: Counter[int]) -> str:
    return ", ".join(f"{n} times {status or 'nothing'}" for status, n in sorted(met.items()))


CASES = (
    Case("killed", "kill -9 of the primary", killed, times=3),
    Case("cut-off", "network of the primary cut", cut_off, times=2, missing=machines.missing),
    Case("frozen", "primary frozen, fenced after 3 s", frozen, times=2),
    Case("switched-over", "planned switchover", switched_over, times=3),
    Case("standby-away", "standby away for 20 s", standby_away),
    Case("thawed", "frozen primary goes on, unfenced", thawed),
    Case("unfenced", "old primary back, unfenced", unfenced),
    Case("asynchronous", "asynchronous, standby 3 s behind", asynchronous, loses=True),
)
