"""Ten thousand users and everything that belongs to them, as rows of one block."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

from lab.bench.scale import rows
from lab.bench.scale.rows import BLOCK, Table, ago, identifier
from lab.bench.scale.user_history import PACK, UserHistory
from settings import PROVIDERS

LOTTERIES = 12
_DEFAULTS = {
    **dict.fromkeys(("job", "payment", "rub", "seq", "balance", "reference", "bonus")),
    "tokens": 0,
    "status": "success",
}


class Block:
    """All rows of ten thousand users; `tables` by name."""

    def __init__(self, now: datetime) -> None:
        self.tables = {name: Table(name) for name in rows.COLUMNS}
        self.now = now
        self.chance = Random(20)
        self.payments = self.moves = self.photos = 0
        inviters = [rows.inviter_of(number, self.chance) for number in range(rows.USERS)]
        # Invited users first: the rewards they earn belong in the inviter's ledger.
        self.rewards: dict[int, list[tuple[datetime, str]]] = {}
        for number in reversed(range(rows.USERS)):
            UserHistory(self, number, inviters[number]).write()
        self._add_unfinished_payments()
        self._add_other_rows()

    def registered_at(self, number: int) -> datetime:
        """When a user registered: the first ones a year ago."""
        return ago(self.now, 360 - 355 * number / rows.USERS)

    def content(self) -> dict[str, tuple[list[str], bytes]]:
        """Columns and COPY text of each table."""
        return {name: (table.columns, table.content()) for name, table in self.tables.items()}

    def _add_unfinished_payments(self) -> None:
        """Add unfinished payments until there are rows.TRANSACTIONS transactions."""
        number = 0
        while len(self.tables["transactions"]) < rows.TRANSACTIONS:
            payer = 110 + number * 7 % (rows.USERS - 110)
            at = (
                self.registered_at(payer)
                + (self.now - self.registered_at(payer)) * 0.5 * self.chance.random()
            )
            payment = self.open_payment(payer, at, "expired", *PACK)
            self.row(payer, at, "gateway_payment", payment=payment, rub=PACK[1], status="failed")
            number += 1

    def open_payment(
        self,
        user: int,
        at: datetime,
        status: str,
        tokens: int,
        rub: int,
        *,
        refunded: int = 0,
        due: datetime | None = None,
    ) -> str:
        """Add a row of payments; its id."""
        number = self.payments
        self.payments += 1
        payment = identifier(rows.PAYMENT, number)
        provider = PROVIDERS[number % 3]
        paid = status in ("succeeded", "refunded")
        self.tables["payments"].add(
            *(at, payment, identifier(rows.USER, user), provider, status, rub, tokens, rub, "RUB"),
            *(rows.telegram_id(user), f"ref_{number}_{BLOCK}"),
            *(f"charge_{number}_{BLOCK}" if paid else None, f"https://pay.example/{number}"),
            *(rub if refunded else 0, refunded, at + timedelta(hours=24), due),
            *(at if paid else None, at, at),
        )
        if paid:
            notice = {"outcome": "succeeded", "payment_id": payment, "amount_minor": rub, "raw": {}}
            self.tables["payment_events"].add(
                *(at, identifier(rows.EVENT, number), provider, f"evt_{number}_{BLOCK}"),
                *("payment.succeeded", "applied", None, f"ref_{number}_{BLOCK}", payment),
                *(notice, at, at),
            )
        return payment

    def row(self, user: int, at: datetime, kind: str, **columns: Any) -> None:
        """Add a row of transactions; columns not given have the usual values."""
        self.moves += 1
        known: dict[str, Any] = _DEFAULTS | columns
        bonus, rub = known["bonus"], known["rub"]
        self.tables["transactions"].add(
            *(at, identifier(rows.MOVE, self.moves), identifier(rows.USER, user)),
            *(known["job"], known["payment"], kind, known["status"]),
            *(PROVIDERS[self.moves % 3] if known["payment"] else None, rub),
            *(known["tokens"], known["seq"], known["balance"], "RUB" if rub else None),
            *(known["reference"], bonus),
            *({"reason": bonus.partition(":")[0]} if bonus else {}, at),
        )

    def photo(self, at: datetime, status: str = "confirmed", kind: int = rows.PHOTO) -> str:
        """Add a row of data; its id."""
        self.photos += 1
        data = identifier(kind, self.photos)
        type, content = ("image", "image/jpeg") if kind == rows.PHOTO else ("video", "video/mp4")
        self.tables["data"].add(
            *(at, data, type, status, f"{type}/{data}.{content[6:]}", content),
            *(None if status == "pending" else 150_000 + self.photos % 9999, at),
            *(None if status == "pending" else at, at if status == "deleted" else None),
        )
        return data

    def _add_other_rows(self) -> None:
        """Add rows outside the ledger: uploads, reviews, lottery entries, keys, parked events."""
        for number in range(40):
            self.photo(ago(self.now, 0.02 * number), "pending")
        for number in range(400):
            self.photo(ago(self.now, 30 + number / 2), "deleted")
        for number in range(3, rows.USERS, 9):
            self._review(number, "seen" if number % 27 == 3 else "rewarded")
        for lottery in range(LOTTERIES):
            for number in range(lottery, rows.USERS, 5 if lottery == 0 else 20):
                self._entry(lottery, number)
        for number in range(300):
            self.tables["idempotency_keys"].add(
                *(ago(self.now, number / 310), "jobsCreate", f"order-{number}-{BLOCK}"),
                *("0" * 64, 201, {"id": identifier(rows.JOB, number)}, ago(self.now, number / 310)),
            )
        for number in range(5):
            self.tables["payment_events"].add(
                *(ago(self.now, number + 1), identifier(rows.EVENT, 900_000 + number), "stripe"),
                *(f"evt_parked_{number}_{BLOCK}", "x", "parked", "unknown_reference"),
                *(f"nobody_{number}", None, {}, ago(self.now, number), ago(self.now, number)),
            )

    def _review(self, number: int, state: str) -> None:
        at = self.registered_at(number) + timedelta(days=1)
        self.tables["reviews"].add(
            *(at, identifier(rows.REVIEW, number), f"-100{BLOCK}", number),
            *(rows.telegram_id(number), f"{number:064d}", state),
            *(identifier(rows.USER, number) if state == "rewarded" else None, at, at),
        )

    def _entry(self, lottery: int, number: int) -> None:
        at = ago(self.now, 30 * lottery + 1)
        self.tables["lottery_entries"].add(
            *(at, identifier(rows.ENTRY, lottery * rows.USERS + number)),
            *(rows.lottery_id(lottery), identifier(rows.USER, number), number % 3),
            *(["https://example.com/post"], at),
        )
