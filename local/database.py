"""Makes a database ready for the product, as the operator's `migrate` and `seed` do."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from db import schema
from db.types import now
from services import catalog, operators

FIRST_OPERATOR = "admin"


def prepare(url: str, simulated: Collection[str] = ()) -> None:
    """Bring the database of this URL to the newest schema; add what a new server sells.

    simulated: engines of providers that a sandbox simulates, whose models are then on offer, too.
    """
    schema.upgrade(url)
    engine = create_engine(url)
    with Session(engine) as session, session.begin():
        catalog.seed(session)
        catalog.offer_simulated(session, simulated)
    engine.dispose()


def new_first_link(url: str) -> str | None:
    """The token of a one-time link for the first operator; None when somebody has come in before.

    A new one replaces the one before, which nobody has used.
    """
    engine = create_engine(url)
    with Session(engine) as session, session.begin():
        known = operators.every(session)
        token = None
        if not known:
            token = operators.add(session, FIRST_OPERATOR, "admin", now=now())
        elif [each.name for each in known if each.link_expires_at] == [FIRST_OPERATOR]:
            token = operators.reset(session, FIRST_OPERATOR, role=None, now=now())
    engine.dispose()
    return token
