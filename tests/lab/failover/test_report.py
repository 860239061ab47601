"""A loss fails `make failover`, unless it is in the nature of its case; silences are measured."""

from __future__ import annotations

from lab.chaos.audit import Check
from lab.chaos.client import Tally
from lab.failover.cases import CASES
from lab.failover.report import Round, losses, markdown
from lab.failover.watch import Met, Watch

BY_NAME = {case.name: case for case in CASES}


def _watch() -> Watch:
    watch = Watch(["http://a", "http://b"], "key")
    early, late = Met(1.0, 1.1, 200, "anna"), Met(6.0, 6.5, 200, "boris")
    watch.writes += [[early, Met(2.0, 5.0, 503), late], [early, Met(2.0, 2.1, 200, "vera")]]
    return watch


def _round(name: str, *lost: str) -> Round:
    checks = [Check("nothing is lost", 7, list(lost))]
    return Round(BY_NAME[name], [0.5, 2.0, 1.0], Tally(), _watch(), checks, ["all was seen"])


def test_the_longest_silence_is_that_of_the_server_that_took_longest() -> None:
    assert round(_watch().longest_silence(1.0), 3) == 5.4
    assert round(_watch().longest_silence(2.05), 3) == 4.45
    assert _watch().acknowledged() == {"anna", "boris", "vera"}
    assert _watch().statuses(_watch().writes, 1.5, 5.5) == {503: 1, 200: 1}


def test_a_loss_counts_unless_the_case_loses_by_its_nature() -> None:
    rounds = [_round("killed", "user anna"), _round("asynchronous", "user boris")]
    assert losses(rounds, ["an error"]) == [
        "killed: nothing is lost: user anna",
        "in a log: an error",
    ]
    text = markdown(rounds, [BY_NAME["cut-off"]], [], "--seed 1")
    assert "**3 operations acknowledged on a synchronous pair, 1 losses.**" in text
    assert "| kill -9 of the primary | 3 | 0.5 | 1.0 | 2.0 | 3 | 1 |" in text
    assert "| kill -9 of the primary | 503 to a stranger's write 1 |" in text
    assert "- asynchronous, standby 3 s behind: all was seen." in text
    assert "- network of the primary cut: not played" in text
