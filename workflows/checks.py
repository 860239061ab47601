"""Proofs of the books and of the figures: made on a snapshot, kept, and loud when one is broken."""

from __future__ import annotations

import logging
import time
from datetime import datetime

from db import reading, snapshot, transaction
from services import checks, day_figures, days
from services.checks import Proof

log = logging.getLogger(__name__)


def make_if_due(subject: str, *, now: datetime) -> Proof | None:
    """Make the check if it is due and nobody else is at it; None when it was not made."""
    with reading() as reader:
        if not checks.is_due(reader, subject, now=now):
            return None
    return make(subject, now=now, unless_made=True)


def make(subject: str, *, now: datetime, unless_made: bool = False) -> Proof | None:
    """Make a check and keep what it found; None when somebody else is making it.

    unless_made: or has made it meanwhile.
    """
    started = time.monotonic()
    with snapshot() as session:
        if not checks.claim(session, subject):
            return None
        if unless_made and not checks.is_due(session, subject, now=now):
            return None
        if subject == checks.LEDGER:
            proof = checks.prove_ledger(session)
        else:
            proof = checks.prove_figures(session, now=now)
        # While the claim is held, so that whoever gets it next finds that the check was made.
        if checks.can_be_kept(session):
            _keep(subject, proof, seconds=time.monotonic() - started, now=now)
    _tell(subject, proof)
    return proof


def _keep(subject: str, proof: Proof, *, seconds: float, now: datetime) -> None:
    with transaction() as session:
        checks.record(session, subject, proof, seconds=seconds)
        if subject == checks.FIGURES and proof.violations:
            since = days.last(days.of(now), checks.COMPARED_DAYS + 1)[0]
            day_figures.forget(session, since=since)


def _tell(subject: str, proof: Proof) -> None:
    for rule, rows in proof.violations.items():
        log.error("check of the %s: broken: %s", subject, rule, extra={"rows": rows})
