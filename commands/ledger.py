"""Proofs of the books."""

from __future__ import annotations

import sys

import click

from db.types import now
from services import checks
from workflows import checks as proofs


@click.group("ledger")
def ledger_group() -> None:
    """The books."""


@ledger_group.command("check")
def ledger_check() -> None:
    """Verify the books of all users; exit code 1 and the faulty rows when a rule is broken."""
    report(checks.LEDGER)


def report(subject: str) -> None:
    """Make a check, which is kept as the nightly one is, print its rules, and end the command."""
    proof = proofs.make(subject, now=now())
    if proof is None:
        raise RuntimeError("this check is being made elsewhere at this moment")
    for rule, rows in proof.rules.items():
        click.echo(f"{'FAIL' if rows else 'ok  '} {rule}{': ' + ', '.join(rows) if rows else ''}")
    sys.exit(bool(proof.violations))
