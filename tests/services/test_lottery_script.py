"""The stand-alone script in docs names the winners that the draw credited."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from services import draws
from services.draws import Ticket

SCRIPT = Path(__file__).parents[2] / "docs" / "verify_lottery.py"
SEED = "5f2c"
HASH = "08b6b2c9c2bb4e34b0e4cc40dfcf2c3d"


def proof(**changes):
    import hashlib

    entries = [Ticket(f"entry-{n:02}", n % 4) for n in range(30)]
    return entries, {
        "lotteryId": "lottery-1",
        "seed": SEED,
        "seedHash": hashlib.sha256(SEED.encode()).hexdigest(),
        "entriesHash": draws.entries_hash(entries),
        "places": 5,
        "redraws": [{"round": 2, "place": 4}, {"round": 3, "place": 1}],
        "entries": [{"id": e.entry_id, "tickets": e.tickets} for e in reversed(entries)],
    } | changes


def run(tmp_path, content):
    path = tmp_path / "proof.json"
    path.write_text(json.dumps(content))
    return subprocess.run([sys.executable, SCRIPT, path], capture_output=True, text=True)


def test_anybody_gets_the_same_winners(tmp_path):
    entries, content = proof()
    turns = [(1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (2, 4), (3, 1)]
    expected = draws.chosen(entries, SEED, "lottery-1", content["entriesHash"], turns=turns)
    assert list(expected) == turns
    lines = run(tmp_path, content).stdout.split("\n")[:-1]
    assert lines == [
        f"{place} {entry}{' (again)' if number > 1 else ''}"
        for (number, place), entry in expected.items()
    ]


@pytest.mark.parametrize("changes", [{"seed": "other"}, {"entriesHash": HASH}])
def test_a_changed_seed_or_list_is_noticed(tmp_path, changes):
    assert run(tmp_path, proof(**changes)[1]).returncode == 1
