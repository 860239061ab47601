"""`cli.py doctor`: nothing to say of a healthy world, and the fix for each fault of a sick one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from commands.doctor import examine
from commands.doctor.finding import Finding
from db import transaction
from db.connections import direct_url
from db.types import now
from local import ports
from services import breakers, checks
from services.checks import Proof
from tests.command_line import command_line
from tests.provider_world import ProviderWorld

HEALTHY, SICK = 0, 1


def look(till: ProviderWorld, code: int, **environ: str) -> dict[str, dict[str, Any]]:
    """What the command says, by what it is about."""
    settings = {**till.environ, "SERVER_URL": till.server.url, **environ}
    with command_line(**settings) as cli:
        ended, output, complaint = cli.run("doctor", "--json")
        assert (ended, complaint) == (code, ""), (output, complaint)
        return {each["what"]: each for each in json.loads(output)}


def test_a_healthy_world_and_one_with_faults(till: ProviderWorld) -> None:
    with transaction() as session:
        for subject in (checks.LEDGER, checks.FIGURES):
            checks.record(session, subject, Proof(1, {}), seconds=1)
    said = look(till, HEALTHY)
    assert {name for name, each in said.items() if each["level"] == "WARN"} <= {
        "settings",
        "archive",
        "telegram",  # this world's bot has a webhook
        "disk",
    }
    assert {"stripe", "yookassa", "telegram", "server", "links", "storage"} <= said.keys()

    with transaction() as session:
        checks.record(session, checks.LEDGER, Proof(1, {"a rule": ["a row"]}), seconds=1)
        breakers.locked_out(session, "fal", now=now(), code="credit", detail="no money")
    nowhere = f"http://127.0.0.1:{ports.reserve()}/api"
    strange = {"STRIPE_SECRET_KEY": "sk_test_of_somebody_else", "TELEGRAM_BOT_TOKEN": "1:revoked"}
    said = look(till, SICK, SERVER_URL=nowhere, **strange)
    faults = {name for name, each in said.items() if each["level"] == "FAIL"}
    assert faults == {"check of the ledger", "engines", "server", "links", "stripe", "telegram"}
    assert said["telegram"]["fix"] == "TELEGRAM_BOT_TOKEN is wrong or revoked"
    assert said["check of the ledger"]["fix"] == "python cli.py ledger check"
    assert "fal is closed: credit" in said["engines"]["says"]

    away = {"S3_BUCKET": "photos", "S3_ENDPOINT_URL": nowhere, "AWS_ACCESS_KEY_ID": "a"}
    said = look(till, SICK, **away, AWS_SECRET_ACCESS_KEY="b")
    assert said["storage"]["level"] == "FAIL" and "ListBucket" in said["storage"]["fix"]
    hosts = [f"127.0.0.1:{ports.reserve()}" for _ in range(2)]
    database = f"postgresql://nobody:x@{','.join(hosts)}/none?target_session_attrs=read-write"
    said = look(till, SICK, DATABASE_URL=database)
    assert said["database"]["level"] == said["books"]["level"] == "FAIL"
    assert said["database"]["says"].count("Connection refused") == len(hosts), "each has its reason"
    assert said["storage"]["level"] == "OK", "one fault hides no other check"
    # By two names the same server is two that take writes.
    server = urlsplit(direct_url())
    silent, user = hosts[0], server.netloc.rpartition("@")[0]
    twice = f"127.0.0.1:{server.port},localhost:{server.port},{silent}"
    several = f"postgresql://{user}@{twice}{server.path}?target_session_attrs=read-write"
    said = look(till, SICK, DATABASE_URL=several)
    assert said["servers"]["level"] == "FAIL"
    assert said["servers"]["says"].count("takes writes") == 2
    assert f"{silent} does not answer" in said["servers"]["says"]
    with transaction() as session:
        breakers.close(session, "fal")


@pytest.mark.parametrize("command", [["migrate"], ["user", "show", "384726159"]], ids=" ".join)
def test_a_command_without_a_database_says_in_one_line_why(command: list[str]) -> None:
    address = f"127.0.0.1:{ports.reserve()}"
    with command_line(DATABASE_URL=f"postgresql://nobody:x@{address}/none") as cli:
        code, _, complaint = cli.run(*command)
    assert code == 1 and complaint.startswith("error: ") and "Connection refused" in complaint
    assert "Traceback" not in complaint


def test_a_check_that_hangs_or_breaks_holds_up_no_other() -> None:
    hanging = threading.Event()

    def well() -> Iterator[Finding]:
        yield Finding("OK", "well", "is well")

    def hangs() -> Iterator[Finding]:
        hanging.wait()
        yield from ()

    def breaks() -> Iterator[Finding]:
        yield Finding("OK", "half", "was looked at")
        raise LookupError("nobody expected this")

    found = examine({"hangs": hangs, "breaks": breaks, "well": well}, seconds=0.5)
    hanging.set()
    assert [(each.level, each.what) for each in found] == [
        ("FAIL", "hangs"),
        ("OK", "half"),
        ("FAIL", "breaks"),
        ("OK", "well"),
    ]
    assert "within" in found[0].says and found[2].says == "nobody expected this"
