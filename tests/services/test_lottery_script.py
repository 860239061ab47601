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
        "entries": [{"id": e.entry_id, "tickets": e.tickets} for e in reversed(entries)],
    } | changes


def run(tmp_path, content):
    path = tmp_path / "proof.json"
    path.write_text(json.dumps(content))
    return subprocess.run([sys.executable, SCRIPT, path], capture_output=True, text=True)


def test_anybody_gets_the_same_winners(tmp_path):
    entries, content = proof()
    expected = draws.chosen(entries, SEED, "lottery-1", content["entriesHash"], places=range(1, 6))
    lines = run(tmp_path, content).stdout.split("\n")[:-1]
    assert lines == [f"{place} {entry}" for place, entry in expected.items()]


@pytest.mark.parametrize("changes", [{"seed": "other"}, {"entriesHash": HASH}])
def test_a_changed_seed_or_list_is_noticed(tmp_path, changes):
    assert run(tmp_path, proof(**changes)[1]).returncode == 1
