"""All checks, in their order: when everything has come to rest, customers' books are compared."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from lab.chaos import audit, engine_audit, settling
from lab.chaos.audit import Check
from lab.chaos.books import Books
from lab.chaos.client import Client
from lab.chaos.sandbox_control import ENGINES, SandboxControl
from lab.chaos.system import System


def checks(
    system: System, engine: Engine, books: Books, client: Client, control: SandboxControl
) -> Iterator[Check]:
    """What must be true when customers have gone and nothing is broken any more."""
    settling.wait_until_quiet(engine, books)
    settling.check_reviews(books, client, control)
    restless = settling.wait_until_quiet(engine, books)
    yield Check("everything comes to rest by itself", 1, restless)
    with Session(engine) as session:
        yield from audit.rows(session, books)
        yield from audit.files(session, system.files, books)
        accepted = {name: [run["id"] for run in control.runs(name)] for name in ENGINES}
        yield from engine_audit.orders(session, accepted)
    yield settling.balances(books, client)
    yield settling.downloads(books, client)
