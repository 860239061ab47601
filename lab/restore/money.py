"""The money that came after the moment: providers hold it, and the restored rows know nothing."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Transaction
from lab.chaos.audit import Check
from lab.chaos.books import Books
from services import ledger

if TYPE_CHECKING:
    from lab.restore.run import World


def recover_payments(world: World) -> None:
    """Run the runbook's command, twice; all that customers have paid must be credited or listed."""
    with world.session() as session:
        before = _credits(session)
    lost = [each for each in world.books.paid if str(each) not in before]
    said, again = (world.system.recover_payments(world.moment) for _ in range(2))
    with world.session() as session:
        world.checks += _checks(session, world.books, lost, said)
    more = [] if again.endswith("0 settled, 0 wait") else [again]
    world.checks.append(Check("a second run finds no more money", 1, more))


def _checks(session: Session, books: Books, lost: list[str], said: str) -> list[Check]:
    credits, wrong = _credits(session), []
    for payment_id in books.paid:
        intent, listed = books.intents[payment_id], payment_id in said
        found = credits.get(payment_id, [])
        if found != [intent.tokens] and not (listed and not found):
            wrong.append(f"{payment_id} ({intent.provider}) was credited {found}")
    broken = [rule for rule, rows in ledger.violations(session).items() if rows]
    unpaid = [each for each in credits if each in books.intents and each not in books.paid]
    nobodys = len(books.intents) - len(books.paid)
    by_provider = Counter(books.intents[each].provider for each in lost)
    of_each = ", ".join(f"{name} {count}" for name, count in sorted(by_provider.items()))
    missing = [f"{each} is not in the list" for each in lost if each not in said]
    return [
        Check(f"a payment that the restore lost ({of_each}): is found", len(lost), missing),
        Check("a payment that a provider holds: credited once, or listed", len(books.paid), wrong),
        Check("a page that nobody has paid: not credited", nobodys, unpaid),
        Check("the ledger check after that is clean", sum(map(len, credits.values())), broken),
    ]


def _credits(session: Session) -> dict[str, list[Decimal]]:
    """The tokens of each purchase, by payment."""
    bought = select(Transaction.payment_id, Transaction.tokens_delta).where(
        Transaction.type == "purchase"
    )
    credits: dict[str, list[Decimal]] = {}
    for payment_id, tokens in session.execute(bought):
        credits.setdefault(str(payment_id), []).append(tokens)
    return credits
