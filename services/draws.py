"""The verifiable draw. The rule, which docs/lottery.md and a stand-alone script repeat:

1. Tickets of an entry: 1 for publishing links, and 1 for each person invited during the lottery.
2. The list is one line `<entry id> <tickets>\\n` per entry, by entry id; `entriesHash` is its
   SHA-256.
3. For place 1, 2, ... the number HMAC-SHA256(seed, "<lottery id>:<round>:<place>:<entriesHash>"),
   modulo the tickets still in play, points at a ticket counted along the list; the entry that holds
   it wins and leaves the list.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.models import Lottery, LotteryEntry, LotteryWinner
from services import funding


@dataclass(frozen=True)
class Ticket:
    """An entry in play and how many tickets it holds."""

    entry_id: str
    tickets: int


def draw_due(session: Session, *, now: datetime) -> Lottery | None:
    """Draw one lottery that has ended and was not drawn; another worker's twin finds none."""
    lottery = session.scalar(
        select(Lottery)
        .where(Lottery.end_date <= now, Lottery.drawn_at.is_(None), Lottery.canceled_at.is_(None))
        .order_by(Lottery.end_date)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if lottery is None:
        return None
    entries = listed(session, lottery.id)
    lottery.entries_hash = entries_hash(entries)
    lottery.drawn_at = now
    places = _places(lottery.prizes)
    winners = chosen(
        entries,
        lottery.seed,
        str(lottery.id),
        lottery.entries_hash,
        places=range(1, len(places) + 1),
    )
    for place, entry_id in winners.items():
        _award(session, lottery, entry_id, place, *places[place - 1])
    session.flush()
    return lottery


def redraw(session: Session, lottery_id: UUID, place: int, *, reason: str) -> LotteryWinner:
    """Draw one place again, the reason on record; nobody who has won before takes part.

    ValueError when there is nothing to draw again. Tokens of the first winner stay with them.
    """
    lottery = session.scalars(
        select(Lottery).where(Lottery.id == lottery_id).with_for_update()
    ).one()
    past = session.scalars(
        select(LotteryWinner).where(LotteryWinner.lottery_id == lottery_id)
    ).all()
    rounds = [winner.round for winner in past if winner.place == place]
    if lottery.entries_hash is None or not rounds:
        raise ValueError("this place has not been drawn")
    taken = {str(winner.entry_id) for winner in past}
    left = [entry for entry in listed(session, lottery_id) if entry.entry_id not in taken]
    number = max(rounds) + 1
    won = chosen(
        left, lottery.seed, str(lottery_id), lottery.entries_hash, places=[place], round=number
    )
    if not won:
        raise ValueError("there is nobody left to draw from")
    title, tokens = _places(lottery.prizes)[place - 1]
    return _award(session, lottery, won[place], place, title, tokens, round=number, reason=reason)


def listed(session: Session, lottery_id: UUID) -> list[Ticket]:
    """The entries of a lottery with their tickets, by entry id."""
    rows = session.scalars(select(LotteryEntry).where(LotteryEntry.lottery_id == lottery_id))
    return sorted(
        (Ticket(str(row.id), int(bool(row.social_links)) + row.referral_count) for row in rows),
        key=lambda ticket: ticket.entry_id,
    )


def entries_hash(entries: Iterable[Ticket]) -> str:
    """SHA-256 of the list as rule 2 writes it."""
    text = "".join(f"{entry.entry_id} {entry.tickets}\n" for entry in entries)
    return hashlib.sha256(text.encode()).hexdigest()


def chosen(
    entries: list[Ticket],
    seed: str,
    lottery_id: str,
    hashed: str,
    *,
    places: Iterable[int],
    round: int = 1,
) -> dict[int, str]:
    """Place -> winning entry id, by rule 3; fewer places when the tickets run out."""
    left = [entry for entry in entries if entry.tickets > 0]
    won: dict[int, str] = {}
    for place in places:
        total = sum(entry.tickets for entry in left)
        if total == 0:
            break
        message = f"{lottery_id}:{round}:{place}:{hashed}".encode()
        drawn = int(hmac.new(seed.encode(), message, hashlib.sha256).hexdigest(), 16) % total
        for index, entry in enumerate(left):
            drawn -= entry.tickets
            if drawn < 0:
                won[place] = entry.entry_id
                del left[index]
                break
    return won


def verified(session: Session, lottery: Lottery) -> list[str]:
    """What does not add up in a drawn lottery: seed, list, winners; empty when all does."""
    faults = []
    if hashlib.sha256(lottery.seed.encode()).hexdigest() != lottery.seed_hash:
        faults.append("the seed is not the one whose hash was published")
    entries = listed(session, lottery.id)
    hashed = entries_hash(entries)
    if hashed != lottery.entries_hash:
        faults.append("the entries are not those that were drawn from")
    places = range(1, len(_places(lottery.prizes)) + 1)
    expected = chosen(entries, lottery.seed, str(lottery.id), hashed, places=places)
    first = session.scalars(
        select(LotteryWinner).where(
            LotteryWinner.lottery_id == lottery.id, LotteryWinner.round == 1
        )
    )
    if {winner.place: str(winner.entry_id) for winner in first} != expected:
        faults.append("the winners are not those of the rule")
    return faults


def proof(session: Session, lottery: Lottery) -> dict[str, Any]:
    """All that the rule needs, for docs/verify_lottery.py. ValueError before the draw."""
    if lottery.drawn_at is None:
        raise ValueError("this lottery has not been drawn: its seed is still secret")
    return {
        "lotteryId": str(lottery.id),
        "seedHash": lottery.seed_hash,
        "seed": lottery.seed,
        "entriesHash": lottery.entries_hash,
        "places": len(_places(lottery.prizes)),
        "entries": [
            {"id": entry.entry_id, "tickets": entry.tickets}
            for entry in listed(session, lottery.id)
        ],
    }


def _places(prizes: list[dict[str, Any]]) -> list[tuple[str, Decimal]]:
    """Title and tokens of each place: a prize that is given n times takes n places."""
    return [
        (prize["title"], Decimal(str(prize["tokens"])))
        for prize in prizes
        for _ in range(prize["count"])
    ]


def _award(
    session: Session,
    lottery: Lottery,
    entry_id: str,
    place: int,
    title: str,
    tokens: Decimal,
    *,
    round: int = 1,
    reason: str | None = None,
) -> LotteryWinner:
    winner = LotteryWinner(
        lottery_id=lottery.id,
        round=round,
        place=place,
        entry_id=UUID(entry_id),
        prize=title,
        tokens=tokens,
        reason=reason,
    )
    session.add(winner)
    user_id = session.scalars(
        update(LotteryEntry)
        .where(LotteryEntry.id == winner.entry_id)
        .values(reward_given=True)
        .returning(LotteryEntry.user_id)
    ).one()
    session.flush()
    if tokens:
        funding.credit(
            session,
            user_id,
            tokens,
            type="promo",
            bonus_key=f"lottery:{lottery.id}:{round}:{place}",
            meta={"reason": "lottery", "lotteryId": str(lottery.id), "place": place},
        )
    return winner
