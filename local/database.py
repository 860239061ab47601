"""Makes a database ready for the product, as the operator's `migrate` and `seed` do."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from db import schema
from services import catalog


def prepare(url: str, *, simulated: Collection[str] = ()) -> None:
    """Bring the database of this URL to the newest schema; add what a new server sells.

    simulated: engines of providers that a sandbox simulates, whose models are then on offer, too.
    """
    schema.upgrade(url)
    engine = create_engine(url)
    with Session(engine) as session, session.begin():
        catalog.seed(session)
        catalog.offer_simulated(session, simulated)
    engine.dispose()
