"""One user's year: bonuses, payments, orders and referrals, in chronological order."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from lab.bench.scale import rows
from lab.bench.scale.rows import ago, identifier

if TYPE_CHECKING:
    from lab.bench.scale.people import Block

# Hundredths of tokens and of rubles, as in the tables.
PRICES = {"animate": (1000, 10000), "restore": (500, 5000)}
PACK = (2000, 19900)
PAYMENT_INTERVAL = 4  # orders; also whenever the balance is too low
BONUS = 500
CHANNELS = ("@live_photo", "@old_photos", "@grandma")
FAILURE_ONE_IN = 20


class UserHistory:
    """Writes the rows of user `number` into its block."""

    def __init__(self, block: Block, number: int, inviter: int | None) -> None:
        self.block, self.number, self.inviter = block, number, inviter
        self.id = identifier(rows.USER, number)
        self.registered_at = block.registered_at(number)
        self.balance = self.seq = self.orders = 0
        self.photo: str | None = None
        self.first_paid: tuple[datetime, str] | None = None

    def write(self) -> None:
        """Write all rows, from registration until today."""
        self._bonus(self.registered_at, "welcome")
        rewards = sorted(self.block.rewards.pop(self.number, []), reverse=True)
        orders = rows.job_count(self.number)
        last = ago(self.block.now, 4)
        for at in rows.moments(self.registered_at, last, orders, self.block.chance):
            while rewards and rewards[-1][0] < at:
                self._bonus(*rewards.pop())
            self._order(at)
        for each in reversed(rewards):
            self._bonus(*each)
        late = ago(self.block.now, 3.5)
        for channel in CHANNELS[: self.number % 4]:
            self._bonus(late, f"channel:{channel}")
        if self._has_reviewed():
            self._bonus(late, "review")
        self._write_open_items()
        self._write_user()

    def _order(self, at: datetime) -> None:
        service = "animate" if self.orders % 2 else "restore"
        price = PRICES[service][0]
        if self.balance < price or self.orders % PAYMENT_INTERVAL == 0:
            self._pay(at - timedelta(minutes=2))
        failed = self.block.chance.randrange(FAILURE_ONE_IN) == 0
        job = self._job(at, service, "failed" if failed else "done")
        self._move(at, "charge", -price, job=job)
        if failed:
            self._move(at + timedelta(minutes=1), "refund", price, job=job)

    def _job(self, at: datetime, service: str, status: str) -> str:
        block, tables = self.block, self.block.tables
        if self.photo is None or self.orders % 2 == 0:
            self.photo = block.photo(at - timedelta(minutes=1))
        self.orders += 1
        job = identifier(rows.JOB, len(tables["jobs"]))
        done, live = status == "done", status in ("queued", "processing")
        end = at + timedelta(minutes=1)
        result = block.photo(end, kind=rows.RESULT) if done else None
        tokens, rub = PRICES[service]
        leased = status == "processing"
        tables["jobs"].add(
            *(at, job, self.id, rows.model_id(service), service, status, tokens, rub),
            *(tokens if live else 0, tokens if done else 0),
            [{"type": "image", "dataId": self.photo}],
            [{"type": "video", "dataId": result}] if result else [],
            *(result, 100 if done else 0),
            {"reason": "failed", "error": {"code": "not_an_image"}} if status == "failed" else {},
            *(int(done or leased), at, self.block.now + timedelta(days=1) if leased else None),
            *("worker-1" if leased else None, at, end),
            end if status in ("done", "failed") else None,
        )
        return job

    def _pay(self, at: datetime, status: str = "succeeded", refunded: int = 0) -> str:
        tokens, rub = PACK
        payment = self.block.open_payment(self.number, at, status, tokens, rub, refunded=refunded)
        self.block.row(self.number, at, "gateway_payment", payment=payment, rub=rub)
        self._move(at, "purchase", tokens, payment=payment, rub=rub)
        self.first_paid = self.first_paid or (at, payment)
        return payment

    def _write_open_items(self) -> None:
        """Write orders and payments that are still open; a few of each are overdue."""
        now = self.block.now
        match self.number % 2000:
            case 9 | 10:
                self._order_live(now - timedelta(seconds=self.number % 97), "queued")
            case 11:
                self._order_live(now - timedelta(seconds=self.number % 89), "processing")
            case 13 | 14:
                self._job(ago(now, 100 / 24 + self.number / 1e5), "restore", "waiting_payment")
            case 15:
                at = now - timedelta(hours=2)
                self._open_payment(at, due=at + timedelta(hours=1))
            case 17:
                at = ago(now, 5)
                payment = self._pay(at, "refunded", refunded=PACK[0])
                self._move(
                    *(at, "refund", -PACK[0]), payment=payment, rub=-PACK[1], reference="refund:1"
                )
        if self.number % 250 == 7:
            self._job(ago(now, self.number / 20_000), "animate", "waiting_payment")
        if self.number % 333 == 5:
            self._open_payment(
                now - timedelta(minutes=self.number / 100), due=now + timedelta(hours=30)
            )

    def _order_live(self, at: datetime, status: str) -> None:
        if self.balance < PRICES["restore"][0]:
            self._pay(at - timedelta(minutes=2))
        job = self._job(at, "restore", status)
        self._move(at, "charge", -PRICES["restore"][0], job=job)

    def _open_payment(self, at: datetime, *, due: datetime) -> None:
        payment = self.block.open_payment(self.number, at, "pending", *PACK, due=due)
        self.block.row(
            self.number, at, "gateway_payment", payment=payment, rub=PACK[1], status="pending"
        )

    def _bonus(self, at: datetime, key: str) -> None:
        self._move(at, "promo", BONUS, bonus=key)

    def _move(
        self,
        at: datetime,
        kind: str,
        tokens: int,
        *,
        job: str | None = None,
        payment: str | None = None,
        rub: int | None = None,
        bonus: str | None = None,
        reference: str | None = None,
    ) -> None:
        self.balance += tokens
        self.seq += 1
        if self.balance < 0:
            raise ValueError(f"user {self.number} spends more tokens than they have")
        self.block.row(
            *(self.number, at, kind),
            job=job,
            payment=payment,
            tokens=tokens,
            rub=rub,
            seq=self.seq,
            balance=self.balance,
            bonus=bonus,
            reference=reference,
        )

    def _has_reviewed(self) -> bool:
        return self.number % 9 == 3 and self.number % 27 != 3

    def _write_user(self) -> None:
        """Write the user's own row, and the referral that brought them."""
        inviter = None if self.inviter is None else identifier(rows.USER, self.inviter)
        self.block.tables["users"].add(
            *(self.registered_at, self.id, rows.telegram_id(self.number), f"user_{self.number}"),
            *(self.balance, self.seq, f"r{self.number:05d}{rows.BLOCK}", inviter),
            *(self._has_reviewed(), True, self.registered_at, self.registered_at),
        )
        if self.inviter is None:
            return
        paid = self.first_paid
        self.block.tables["referrals"].add(
            *(self.registered_at, identifier(rows.REFERRAL, self.number), inviter, self.id),
            *(paid is not None, paid is not None, BONUS if paid else 0),
            *(paid and paid[1], self.registered_at),
        )
        if paid:
            key = f"referral:{self.id}"
            self.block.rewards.setdefault(self.inviter, []).append((paid[0], key))
