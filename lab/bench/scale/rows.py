"""Rows of ten thousand users as PostgreSQL's COPY reads them, with consistent books.

One block is generated once. A larger world repeats that block, with another number filled into the
placeholders of ids and names: so it has the same mix of visitors and regulars, and is generated at
the speed of bytes.replace().
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

USERS = 10_000
JOBS = 30_000
TRANSACTIONS = 100_000
BLOCK = "@@@@@@@@"  # becomes the number of the block, eight digits

COLUMNS = {
    "users": "id telegram_id username balance_tokens ledger_seq ref_code referrer_id"
    " has_left_review consent_pd created_at updated_at",
    "data": "id type status storage_key content_type size_bytes created_at confirmed_at deleted_at",
    "jobs": "id user_id model_id service_type status price_tokens price_rub tokens_reserved"
    " tokens_consumed input output result_data_id progress meta attempt run_at lease_until worker"
    " created_at updated_at finished_at",
    "payments": "id user_id provider status amount_rub tokens asked_minor asked_currency"
    " payer_telegram_id reference charge_reference payment_url refunded_rub refunded_tokens"
    " expires_at next_check_at paid_at created_at updated_at",
    "transactions": "id user_id job_id payment_id type status provider amount_rub tokens_delta seq"
    " balance_after currency reference bonus_key meta created_at",
    "payment_events": "id provider event_key kind state reason reference payment_id notice"
    " received_at applied_at",
    "referrals": "id inviter_id invitee_id invitee_paid reward_given reward_tokens payment_id"
    " created_at",
    "reviews": "id chat message_id author_telegram_id text_sha256 state user_id posted_at"
    " created_at",
    "lottery_entries": "id lottery_id user_id referral_count social_links created_at",
    "idempotency_keys": "operation key fingerprint status body created_at",
}


def identifier(kind: int, number: int, block: int | None = None) -> str:
    """The id of row `number` of a kind (USER...); without a block, with a placeholder for it."""
    noise = (number * 2654435761 + kind * 40503) & 0xFFFFFFFF
    tail = BLOCK if block is None else f"{block:08d}"
    return f"{noise:08x}-{number >> 16:04x}-4{kind:03x}-8000-{number & 0xFFFF:04x}{tail}"


USER, PHOTO, RESULT, JOB, PAYMENT, MOVE, EVENT, REFERRAL, REVIEW, ENTRY, LOTTERY, MODEL = range(12)


def user_id(number: int, block: int) -> UUID:
    """The id of user `number` of a block; the first ones are the regulars."""
    return UUID(identifier(USER, number, block))


def telegram_id(number: int, block: int | None = None) -> str:
    """The Telegram id of the same user."""
    return f"7{number:05d}" + (BLOCK if block is None else f"{block:08d}")


def lottery_id(number: int) -> UUID:
    """The id of a lottery, shared by all blocks; 0 runs now."""
    return UUID(identifier(LOTTERY, number, 0))


def model_id(service_type: str) -> UUID:
    """The id of a service's default model."""
    return UUID(identifier(MODEL, int(service_type == "restore"), 0))


class Table:
    """Rows of one table, sorted by time, as they would have been inserted."""

    def __init__(self, name: str) -> None:
        self.columns = COLUMNS[name].split()
        self._rows: list[tuple[datetime, str]] = []

    def add(self, at: datetime, *values: object) -> None:
        """Add a row; values in the order of the columns."""
        if len(values) != len(self.columns):
            raise ValueError(f"{len(values)} values for {self.columns}")
        self._rows.append((at, "\t".join(map(_text, values))))

    def __len__(self) -> int:
        return len(self._rows)

    def content(self) -> bytes:
        """The input of COPY, with placeholders for the block."""
        self._rows.sort(key=lambda row: row[0])
        return "".join(f"{line}\n" for _, line in self._rows).encode()


def job_count(number: int) -> int:
    """How many orders a user has made: a few regulars thousands, most people one or two."""
    for below, orders in ((1, 3000), (10, 300), (110, 50), (1110, 10)):
        if number < below:
            return orders
    return (0, 1, 1, 2)[number % 4] + int(number < 1110 + 410)


def inviter_of(number: int, chance: Random) -> int | None:
    """Every fourth user was invited by an earlier one; the first users invite most."""
    if number < 20 or number % 4:
        return None
    return int(chance.random() ** 4 * min(number - 1, 2000))


def _text(value: object) -> str:
    match value:
        case None:
            return r"\N"
        case bool():
            return "t" if value else "f"
        case datetime():
            return value.isoformat()
        case dict() | list():
            return json.dumps(value, separators=(",", ":"))
        case _:
            return str(value)


def moments(start: datetime, end: datetime, count: int, chance: Random) -> Iterable[datetime]:
    """`count` ascending moments between two."""
    step = (end - start) / (count + 1)
    for place in range(count):
        yield start + step * (place + 0.2 + 0.6 * chance.random())


def ago(now: datetime, days: float) -> datetime:
    """The moment `days` before `now`."""
    return now - timedelta(days=days)
