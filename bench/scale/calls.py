"""Everything that a server or a worker does with tables, as calls that can be repeated.

Calls go to the handlers, or to the services where a handler would ask a provider first.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from bench.scale import rows
from bench.scale.worlds import World
from db import reading, snapshot, transaction
from db.models import Job
from db.types import now
from handlers import (
    data,
    jobs,
    lotteries,
    ops,
    referrals,
    tariffs,
    transactions,
    users,
)
from providers import instances
from providers.payments import Notice, Outcome
from services import (
    bonuses,
    draws,
    grants,
    idempotency,
    inbox,
    ledger,
    paging,
    payment_rows,
    payments,
    queue,
    reviews,
    settlement,
)
from services import data as files
from services import jobs as orders
from services import lotteries as lottery_rules
from services import users as people
from spec.multipart import FilePart

PAGE = 200
PURSE = Decimal(100_000)
SAMPLE = 60  # users who come by turns, so that their pages are warm in both worlds
CHANNEL = "@bench_channel"
TEXT = {"type": "text", "fileName": "a.txt", "contentType": "text/plain"}
LONG_AGO = timedelta(days=1000)
FILES = 10
MONTHS_AHEAD = timedelta(days=120)  # by then the oldest files are due, as TTL_HOURS says
TTL_HOURS = 400 * 24


@dataclass
class Visit:
    """Who calls, in which world, and what earlier calls have made for later ones."""

    world: World
    sample: list[str] = field(default_factory=list)
    regular: str = ""  # the user with thousands of orders
    inviter_code: str = ""
    photos: dict[str, str] = field(default_factory=dict)
    done_jobs: list[str] = field(default_factory=list)
    poor: list[str] = field(default_factory=list)
    middle: dict[str, str] = field(default_factory=dict)  # cursors in the middle of lists
    made: dict[str, list[Any]] = field(default_factory=dict)
    _turns: Iterator[int] = field(default_factory=itertools.count)

    def user(self) -> str:
        """The next one of the sample."""
        return self.sample[self.turn() % len(self.sample)]

    def keep(self, kind: str, value: Any) -> None:
        """For a call that takes it."""
        self.made.setdefault(kind, []).append(value)

    def take(self, kind: str) -> Any:
        """What an earlier call has kept."""
        return self.made[kind].pop()

    def turn(self) -> int:
        """A number that no other call has."""
        return next(self._turns)


@dataclass(frozen=True)
class Call:
    """Something to measure. before: what must have happened, which is not measured."""

    work: Callable[[Visit], Any]
    before: tuple[Callable[[Visit], Any], ...] = ()

    def prepare(self, visit: Visit) -> None:
        """Make what `work` needs."""
        for step in self.before:
            step(visit)


def visit(world: World) -> Visit:
    """Find the people that calls are made for, and give them something to spend."""
    numbers = [1700 + each * 37 for each in range(SAMPLE)]
    chosen = [str(rows.user_id(each, each * 37 % world.blocks)) for each in numbers]
    regular = str(rows.user_id(0, world.blocks // 2))
    found = Visit(world, sample=chosen, regular=regular)
    connection = world.connect()
    with connection.cursor() as cursor:

        def column(query: str, *values: Any) -> list[Any]:
            cursor.execute(query, values)
            return [row[0] for row in cursor.fetchall()]

        found.inviter_code = column("SELECT ref_code FROM users WHERE id = %s", regular)[0]
        cursor.execute(
            "SELECT user_id, input->0->>'dataId', id FROM jobs"
            " WHERE user_id = ANY(%s::uuid[]) AND status = 'done'",
            [chosen],
        )
        for user, photo, job in cursor.fetchall():
            found.photos[str(user)] = photo
            found.done_jobs.append(str(job))
        found.sample = [each for each in chosen if each in found.photos]
        found.poor = list(
            map(
                str, column("SELECT id FROM users WHERE balance_tokens < 500 ORDER BY id LIMIT 500")
            )
        )
        for name, table, owner in (
            ("jobs", "jobs", "user_id"),
            ("transactions", "transactions", "user_id"),
            ("referrals", "referrals", "inviter_id"),
        ):
            middle = column(
                f"SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY number) FROM {table}"
                f" WHERE {owner} = %s",
                regular,
            )[0]
            found.middle[name] = paging.encoded(middle)
    connection.close()
    with transaction() as session:
        for user in found.sample:
            grants.grant(session, UUID(user), PURSE, key=uuid4().hex, reason="bench")
    return found


def _order(v: Visit, user: str) -> dict[str, Any]:
    photo = v.photos[v.sample[v.turn() % len(v.sample)]]
    picture = {"type": "image", "dataId": photo}
    return {"userId": user, "serviceType": "restore", "input": [picture]}


def _create(v: Visit) -> None:
    body = jobs.jobs_create(_order(v, v.user()), uuid4().hex)[0]
    v.keep("jobs", body["id"])


def _upload(v: Visit) -> None:
    part = FilePart("file", "a.txt", "text/plain", io.BytesIO(b"Hi"), 2)
    data.data_upload_multipart({"type": "text"}, part)


def _presign(v: Visit) -> None:
    form = data.data_get_presign(TEXT, uuid4().hex)[0]
    v.keep("forms", form)


def _confirm(v: Visit) -> None:
    form = v.take("forms")
    instances.storage().put(form["fields"]["key"], io.BytesIO(b"Hi"), content_type="text/plain")
    data.data_confirm_upload(form["dataId"])


def _intent(v: Visit) -> None:
    user, reference = v.user(), uuid4().hex
    with transaction() as session:
        payment = payments.open(
            *(session, UUID(user)),
            amount_rub=Decimal(199),
            provider="stripe",
            plan="start",
            now=now(),
        )
    with transaction() as session:
        payments.attach(
            session,
            payment.id,
            reference=reference,
            url="https://pay.example/",
            asked_minor=19900,
            asked_currency="RUB",
            expires_at=None,
        )
    v.keep("intents", (payment.id, reference))


def _told(payment: tuple[UUID, str], outcome: Outcome, **more: Any) -> None:
    payment_id, reference = payment
    notice = Notice(
        provider="stripe",
        event_id=uuid4().hex,
        kind=outcome.value,
        outcome=outcome,
        payment_id=payment_id,
        reference=reference,
        amount_minor=19900,
        currency="RUB",
        occurred_at=now(),
        **more,
    )
    with transaction() as session:
        settlement.settle(session, notice)


def _paid(v: Visit) -> None:
    payment = v.take("intents")
    _told(payment, Outcome.SUCCEEDED)
    v.keep("paid", payment)


def _refunded(v: Visit) -> None:
    _told(v.take("paid"), Outcome.REFUNDED, refunded_minor=100, refund_reference=uuid4().hex)


def _disputed(v: Visit) -> None:
    payment = v.take("paid")
    _told(payment, Outcome.DISPUTED)
    _told(payment, Outcome.DISPUTE_WON)


def _unpaid(v: Visit) -> None:
    _told(v.take("intents"), Outcome.EXPIRED)


def _check_channel(v: Visit) -> None:
    user = UUID(v.user())
    with transaction() as session:
        bonuses.grant_channel(session, user, f"{CHANNEL}_{v.turn()}")


def _review(v: Visit) -> None:
    """An update of the review chat, then the check of its author."""
    user, message = UUID(v.user()), 10_000_000 + v.turn()
    with reading() as reader:
        telegram_id = people.get(reader, user).telegram_id
    with transaction() as session:
        reviews.ingest(
            session,
            chat_id=-100,
            message_id=message,
            author_id=int(telegram_id),
            text_sha256="0" * 64,
            posted_at=now(),
        )
    with transaction() as session:
        reviews.check_own(session, user)
    with transaction() as session:
        reviews.check_message(session, user, -100, message)


def _register(v: Visit, **more: str) -> None:
    users.users_register_or_login({"telegramId": uuid4().hex, **more}, None)


def _submit(v: Visit) -> None:
    links = ["https://example.com/1", f"https://example.com/{v.turn() % 9}"]
    lotteries.lotteries_submit_social({"userId": v.user(), "socialLinks": links})


def _claim(v: Visit) -> None:
    with transaction() as session:
        claim = queue.claim(session, "bench")
    if claim is None:
        raise RuntimeError("the queue is empty")
    v.keep("claims", claim)


def _renew(v: Visit) -> None:
    with transaction() as session:
        queue.renew(session, v.made["claims"][-1], progress=50)


def _finish(v: Visit) -> None:
    claim = v.take("claims")
    with transaction() as session:
        row = files.reserve(session, "video", content_type="video/mp4", now=now())
    with transaction() as session:
        queue.finish(session, claim, row.id, size_bytes=1000, meta={}, now=now())


def _fail(v: Visit, *, retryable: bool) -> None:
    with transaction() as session:
        queue.fail(session, v.take("claims"), code="x", message="-", retryable=retryable)


def _release(v: Visit) -> None:
    with transaction() as session:
        queue.release(session, v.take("claims"))


def _give_up(v: Visit) -> None:
    with transaction() as session:
        queue.give_up_lost(session)


def _abandon(v: Visit) -> None:
    """The claim's worker went silent at its last try."""
    claim = v.take("claims")
    with transaction() as session:
        job = session.get_one(Job, claim.job_id)
        job.attempt, job.lease_until = 3, now() - timedelta(hours=1)


def _age(v: Visit) -> None:
    """An order that nobody will pay for."""
    with transaction() as session:
        body = _order(v, v.poor[v.turn() % len(v.poor)])
        ordered = orders.create(
            session,
            UUID(body["userId"]),
            service_type="animate",
            input=body["input"],
        )
        job = session.get_one(Job, ordered.id)
        job.created_at = now() - timedelta(days=300)


def _expire_waiting(v: Visit, *, nothing: bool = False) -> None:
    with transaction() as session:
        orders.expire_waiting(session, now=now() - LONG_AGO if nothing else now())


def _expire_files(v: Visit, *, nothing: bool = False) -> None:
    with transaction() as session:
        files.expire(session, now=now() if nothing else now() + MONTHS_AHEAD, limit=FILES)


def _purge(v: Visit) -> None:
    with transaction() as session:
        doomed = files.purgeable(session, limit=FILES)
    with transaction() as session:
        files.purged(session, [data_id for data_id, _ in doomed], now=now())


def _due(v: Visit) -> None:
    """A payment whose provider should be asked."""
    payment_id, _ = v.take("intents")
    with transaction() as session:
        payment_rows.change(session, payment_id, next_check_at=now() - timedelta(days=3))


def _claim_payment(v: Visit) -> None:
    with transaction() as session:
        if payments.claim_due(session, now=now()) is None:
            raise RuntimeError("no payment is due")


def _draw(v: Visit) -> None:
    with transaction() as session:
        draws.draw_due(session, now=now())


def _sweep(v: Visit) -> None:
    with transaction() as session:
        idempotency.sweep(session, now() - LONG_AGO)


def _operator(query: Callable[..., Any], **values: Any) -> Call:
    def work(v: Visit) -> None:
        with snapshot() as session:
            query(session, **values)

    return Call(work)


def _counted(v: Visit) -> None:
    with snapshot() as session:
        bonuses.given(session, ["@grandma"])


READS = {
    "usersGetById": Call(lambda v: users.users_get_by_id(v.user())),
    "usersGetBalance": Call(lambda v: users.users_get_balance(v.user())),
    "jobsGet": Call(lambda v: jobs.jobs_get(v.done_jobs[v.turn() % len(v.done_jobs)])),
    "jobsList": Call(lambda v: jobs.jobs_list(v.user(), PAGE, None)),
    "jobsList of a regular": Call(lambda v: jobs.jobs_list(v.regular, PAGE, None)),
    "jobsList, by cursor": Call(lambda v: jobs.jobs_list(v.regular, PAGE, v.middle["jobs"])),
    "transactionsList": Call(lambda v: transactions.transactions_list(v.user(), PAGE, None)),
    "transactionsList of a regular": Call(
        lambda v: transactions.transactions_list(v.regular, PAGE, None)
    ),
    "transactionsList, by cursor": Call(
        lambda v: transactions.transactions_list(v.regular, PAGE, v.middle["transactions"])
    ),
    "referralsGetLink": Call(lambda v: referrals.referrals_get_link(v.user())),
    "referralsStats": Call(lambda v: referrals.referrals_stats(v.user())),
    "referralsStats of a regular": Call(lambda v: referrals.referrals_stats(v.regular)),
    "referralsHistory": Call(lambda v: referrals.referrals_history(v.regular, PAGE, None)),
    "referralsHistory, by cursor": Call(
        lambda v: referrals.referrals_history(v.regular, PAGE, v.middle["referrals"])
    ),
    "lotteriesCurrent": Call(lambda v: lotteries.lotteries_current()),
    "lotteriesHistory": Call(lambda v: lotteries.lotteries_history(PAGE, None)),
    "lotteriesEntryMe": Call(lambda v: lotteries.lotteries_entry_me(str(rows.user_id(0, 0)))),
    "tariffsList": Call(lambda v: tariffs.tariffs_list(PAGE, None)),
    "healthReady": Call(lambda v: ops.health_ready()),
}
WRITES = {
    "usersRegisterOrLogin, known": Call(
        lambda v: users.users_register_or_login(
            {"telegramId": rows.telegram_id(20 + v.turn() % SAMPLE, 0), "username": uuid4().hex},
            None,
        )
    ),
    "usersRegisterOrLogin, new": Call(_register),
    "usersRegisterOrLogin, invited": Call(lambda v: _register(v, refCode=v.inviter_code)),
    "usersUpdateConsent": Call(lambda v: users.users_update_consent(v.user(), {"consentPd": True})),
    "dataUploadMultipart": Call(_upload),
    "dataGetPresign": Call(_presign),
    "dataConfirmUpload": Call(_confirm, (_presign,)),
    "jobsCreate": Call(_create),
    "jobsCreate, waiting": Call(
        lambda v: jobs.jobs_create(_order(v, v.poor[v.turn() % len(v.poor)]), None)
    ),
    "jobsCancel": Call(lambda v: jobs.jobs_cancel(v.take("jobs")), (_create,)),
    "paymentsCreateIntent": Call(_intent),
    "webhookPayments, paid": Call(_paid, (_intent,)),
    "webhookPayments, refunded": Call(_refunded, (_intent, _paid)),
    "webhookPayments, disputed and won": Call(_disputed, (_intent, _paid)),
    "webhookPayments, expired": Call(_unpaid, (_intent,)),
    "subscriptionsCheckChannel": Call(_check_channel),
    "reviewsCheck": Call(_review),
    "lotteriesSubmitSocial": Call(_submit),
}
WORKERS = {
    "claim a job": Call(_claim, (_create,)),
    "renew a lease": Call(_renew, (_create, _claim)),
    "finish a job": Call(_finish, (_create, _claim)),
    "put a job back": Call(lambda v: _fail(v, retryable=True), (_create, _claim)),
    "fail a job": Call(lambda v: _fail(v, retryable=False), (_create, _claim)),
    "release a job": Call(_release, (_create, _claim)),
    "give up a lost job": Call(_give_up, (_create, _claim, _abandon)),
    "give up lost jobs, none": Call(_give_up),
    "close an unpaid job": Call(_expire_waiting, (_age,)),
    "close unpaid jobs, none": Call(lambda v: _expire_waiting(v, nothing=True)),
    "expire 10 files": Call(_expire_files),
    "expire files, none": Call(lambda v: _expire_files(v, nothing=True)),
    "purge 10 files": Call(_purge, (_expire_files,)),
    "find a payment to ask about": Call(_claim_payment, (_intent, _due)),
    "draw lotteries, none": Call(_draw),
    "forget keys, none": Call(_sweep),
}
OPERATORS = {
    "jobs list": _operator(orders.recent, status=None, limit=20),
    "jobs list, failed": _operator(orders.recent, status="failed", limit=20),
    "payments list": _operator(payments.recent, status=None, limit=20),
    "payments list, disputed": _operator(payments.recent, status="disputed", limit=20),
    "payments list, pending": _operator(payments.recent, status="pending", limit=20),
    "events list, parked": _operator(inbox.recent, state="parked", limit=20),
    "events list, ignored": _operator(inbox.recent, state="ignored", limit=20),
    "reviews list, rejected": _operator(reviews.recent, state="rejected", limit=20),
    "lotteries list": _operator(lottery_rules.recent, limit=20),
    "users show": Call(
        lambda v: _operator(ledger.history, user_id=UUID(v.regular), limit=10, cursor=None).work(v)
    ),
}
# These grow by nature: with the backlog that they show the newest of, or with what they count.
GROW = {
    **{
        f"jobs list, {status}": _operator(orders.recent, status=status, limit=20)
        for status in ("waiting_payment", "queued", "processing")
    },
    "channels list": Call(_counted),
}
