"""The verifiable draw. The rule, which docs/lottery.md and a stand-alone script repeat:

1. Tickets of an entry: 1 for publishing links, and 1 for each person invited during the lottery.
2. The list is one line `<entry id> <tickets>\\n` per entry, by entry id; `entriesHash` is its
   SHA-256.
3. For place 1, 2, ... the number HMAC-SHA256(seed, "<lottery id>:<round>:<place>:<entriesHash>"),
   modulo the tickets still in play, points at a ticket counted along the list; the entry that holds
   it wins and leaves the list. The round is 1.
4. A place that is drawn again uses the remaining list, in round 2, 3, ...
"""

from __future__ import annotations

import hashlib
import hmac
from bisect import bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import accumulate
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Integer, cast, func, select, update
from sqlalchemy.orm import Session

from db import Query, Reader, statement
from db.models import Lottery, LotteryEntry, LotteryWinner, User
from db.rows import LotteryRow, LotteryWinnerRow
from services import events, funding, ledger, lotteries, versions

# Round and place of one winner to draw.
Turn = tuple[int, int]


@dataclass(frozen=True)
class Ticket:
    """An entry in play and how many tickets it holds."""

    entry_id: str
    tickets: int


class Winner(NamedTuple):
    """What an entry has won, and whose it is."""

    place: int
    round: int
    entry_id: UUID
    prize: str
    tokens: Decimal
    reason: str | None
    user_id: UUID
    telegram_id: str
    username: str | None


def draw_due(session: Session, *, now: datetime) -> LotteryRow | None:
    """Draw one ended lottery not drawn yet; the same call in another worker finds none."""
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
    won = _chosen(lottery, entries, _first_round(lottery))
    winners = select(LotteryEntry.user_id).where(LotteryEntry.id.in_(map(UUID, won.values())))
    ledger.lock_all(session, session.scalars(winners).all())
    places = _places(lottery.prizes)
    events.announce(session, events.lottery_drawn(lottery, len(won)))
    for turn, entry_id in won.items():
        _award(session, lottery, entry_id, turn, places[turn[1] - 1])
    session.flush()
    return lotteries.get(session, lottery.id)


def redraw(
    session: Session, lottery_id: UUID, place: int, *, reason: str, seen: int | None = None
) -> LotteryWinnerRow:
    """Draw one place again and record the reason; previous winners do not take part.

    seen: how many winners there were when it was asked for. ValueError when there is nothing to
    draw again, there are more winners by now, or the draw so far fails verification. The first
    winner keeps their tokens.
    """
    lottery = session.scalar(select(Lottery).where(Lottery.id == lottery_id).with_for_update())
    past = _turns(session, lottery_id)
    if lottery is None or place not in {place for _, place in past}:
        raise ValueError("this place has not been drawn")
    if seen not in (None, len(past)):
        raise ValueError(versions.CHANGED)
    if faults := verified(session, lotteries.get(session, lottery_id)):
        raise ValueError(faults[0])
    turn = (max(round for round, _ in past) + 1, place)
    won = _chosen(lottery, listed(session, lottery_id), [*past, turn])
    if turn not in won:
        raise ValueError("there is nobody left to draw from")
    entry = select(LotteryEntry.user_id).where(LotteryEntry.id == UUID(won[turn]))
    ledger.lock_account(session, session.scalars(entry).one())
    prize = _places(lottery.prizes)[place - 1]
    return _award(session, lottery, won[turn], turn, prize, reason=reason)


def listed(session: Session, lottery_id: UUID) -> list[Ticket]:
    """The entries of a lottery with their tickets, by entry id."""
    published = func.jsonb_array_length(LotteryEntry.social_links) > 0
    rows = session.execute(
        select(LotteryEntry.id, cast(published, Integer) + LotteryEntry.referral_count).where(
            LotteryEntry.lottery_id == lottery_id
        )
    )
    return sorted(
        (Ticket(str(entry_id), tickets) for entry_id, tickets in rows),
        key=lambda ticket: ticket.entry_id,
    )


def entries_hash(entries: Iterable[Ticket]) -> str:
    """SHA-256 of the list as rule 2 writes it."""
    text = "".join(f"{entry.entry_id} {entry.tickets}\n" for entry in entries)
    return hashlib.sha256(text.encode()).hexdigest()


def chosen(
    entries: Iterable[Ticket], seed: str, lottery_id: str, hashed: str, *, turns: Iterable[Turn]
) -> dict[Turn, str]:
    """Winning entry ids by rules 3 and 4; fewer than the turns when the tickets run out."""
    left = [entry for entry in entries if entry.tickets > 0]
    ends = list(accumulate(entry.tickets for entry in left))
    total = ends[-1] if ends else 0
    # A winner's tickets become a gap (first number, length). Walking the gaps finds a thousand
    # winners in milliseconds; walking all entries took minutes.
    gaps: list[tuple[int, int]] = []
    won: dict[Turn, str] = {}
    for round, place in turns:
        if total == 0:
            break
        message = f"{lottery_id}:{round}:{place}:{hashed}".encode()
        drawn = int(hmac.new(seed.encode(), message, hashlib.sha256).hexdigest(), 16) % total
        for first, length in gaps:
            if first <= drawn:
                drawn += length
        index = bisect_right(ends, drawn)
        winner = left[index]
        won[round, place] = winner.entry_id
        insort(gaps, (ends[index] - winner.tickets, winner.tickets))
        total -= winner.tickets
    return won


def winners(reader: Reader, lottery: LotteryRow) -> list[Winner]:
    """Who won what, by place, redrawn ones after the first; ValueError before the draw."""
    if lottery.drawn_at is None:
        raise ValueError("this lottery has not been drawn")
    return _winners.all(reader, lottery.id)


def verified(session: Session, lottery: LotteryRow) -> list[str]:
    """What fails verification in a drawn lottery: seed, list, winners; empty when all is right."""
    if lottery.drawn_at is None:
        return ["this lottery has not been drawn"]
    faults = []
    if hashlib.sha256(lottery.seed.encode()).hexdigest() != lottery.seed_hash:
        faults.append("the seed is not the one whose hash was published")
    entries = listed(session, lottery.id)
    if entries_hash(entries) != lottery.entries_hash:
        faults.append("the entries are not those that were drawn from")
    again = [turn for turn in _turns(session, lottery.id) if turn[0] > 1]
    expected = _chosen(lottery, entries, [*_first_round(lottery), *again])
    if {turn: str(entry) for turn, entry in _won(session, lottery.id).items()} != expected:
        faults.append("the winners are not those of the rule")
    return faults


def proof(session: Session, lottery: LotteryRow) -> dict[str, Any]:
    """Everything the rule needs, for docs/verify_lottery.py. ValueError before the draw."""
    if lottery.drawn_at is None:
        raise ValueError("this lottery has not been drawn: its seed is still secret")
    return {
        "lotteryId": str(lottery.id),
        "seedHash": lottery.seed_hash,
        "seed": lottery.seed,
        "entriesHash": lottery.entries_hash,
        "places": len(_places(lottery.prizes)),
        "redraws": [
            {"round": round, "place": place}
            for round, place in _turns(session, lottery.id)
            if round > 1
        ],
        "entries": [
            {"id": entry.entry_id, "tickets": entry.tickets}
            for entry in listed(session, lottery.id)
        ],
    }


def _places(prizes: list[dict[str, Any]]) -> list[tuple[str, Decimal]]:
    """Title and tokens of each place: a prize given n times takes n places."""
    return [
        (prize["title"], Decimal(str(prize["tokens"])))
        for prize in prizes
        for _ in range(prize["count"])
    ]


def _first_round(lottery: Lottery | LotteryRow) -> list[Turn]:
    return [(1, place) for place in range(1, len(_places(lottery.prizes)) + 1)]


def _won(session: Session, lottery_id: UUID) -> dict[Turn, UUID]:
    """Who has won so far, in the order of the draw."""
    rows = sorted(_winners.all(session, lottery_id), key=lambda row: (row.round, row.place))
    return {(row.round, row.place): row.entry_id for row in rows}


def _turns(session: Session, lottery_id: UUID) -> list[Turn]:
    return list(_won(session, lottery_id))


def _chosen(
    lottery: Lottery | LotteryRow, entries: Iterable[Ticket], turns: Iterable[Turn]
) -> dict[Turn, str]:
    hashed = lottery.entries_hash or ""
    return chosen(entries, lottery.seed, str(lottery.id), hashed, turns=turns)


def _award(
    session: Session,
    lottery: Lottery,
    entry_id: str,
    turn: Turn,
    prize: tuple[str, Decimal],
    *,
    reason: str | None = None,
) -> LotteryWinnerRow:
    """The caller holds the winner's row, as funding.credit requires."""
    round, place = turn
    title, tokens = prize
    winner = LotteryWinnerRow(lottery.id, round, place, UUID(entry_id), title, tokens, reason)
    session.add(LotteryWinner(**winner._asdict()))
    user_id = session.scalars(
        update(LotteryEntry)
        .where(LotteryEntry.id == winner.entry_id)
        .values(reward_given=True)
        .returning(LotteryEntry.user_id)
    ).one()
    session.flush()
    _pay_out(session, lottery, winner, user_id)
    return winner


def _pay_out(session: Session, lottery: Lottery, winner: LotteryWinnerRow, user_id: UUID) -> None:
    """Tell a winner, and give the tokens of the prize, if it has any."""
    news = events.lottery_won(lottery, winner.place, winner.prize, winner.tokens)
    if not winner.tokens:
        events.tell(session, user_id, news)
        return
    funding.credit(
        session,
        user_id,
        winner.tokens,
        type="promo",
        news=news,
        bonus_key=f"lottery:{lottery.id}:{winner.round}:{winner.place}",
        meta={"reason": "lottery", "lotteryId": str(lottery.id), "place": winner.place},
    )


@statement(Winner)
def _winners(lottery_id: UUID) -> Query:
    return (
        select(
            LotteryWinner.place,
            LotteryWinner.round,
            LotteryWinner.entry_id,
            LotteryWinner.prize,
            LotteryWinner.tokens,
            LotteryWinner.reason,
            User.id.label("user_id"),
            User.telegram_id,
            User.username,
        )
        .join(LotteryEntry, LotteryEntry.id == LotteryWinner.entry_id)
        .join(User, User.id == LotteryEntry.user_id)
        .where(LotteryWinner.lottery_id == lottery_id)
        .order_by(LotteryWinner.place, LotteryWinner.round)
    )
