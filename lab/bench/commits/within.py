"""The notification inside the ordering transaction, as it once was."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

from db.notifications import JOB_CHANNEL


def announce(session: Session) -> None:
    """Wake the workers with the COMMIT."""
    session.execute(text(f"NOTIFY {JOB_CHANNEL}"))
