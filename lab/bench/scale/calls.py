"""Everything that a server or a worker does with the tables, as repeatable calls.

Calls go to the handlers, or to the services where a handler would call a provider first.
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

from db import reading, snapshot, transaction
from db.models import PAYMENT_STATUSES, PROVIDERS, REVIEW_STATES, Job
from db.types import now
from handlers import (
    data,
    jobs,
    lotteries,
    models,
    ops,
    referrals,
    tariffs,
    transactions,
    users,
)
from lab.bench.scale import rows
from lab.bench.scale.worlds import World
from providers import registry
from providers.payments import Notice, Outcome
from services import (
    attempts,
    bonuses,
    day_figures,
    days,
    draws,
    engines,
    gauges,
    grants,
    idempotency,
    inbox,
    ledger,
    listed_jobs,
    locked_payments,
    outbox,
    overview,
    paging,
    payments,
    people,
    queue,
    remote_queue,
    reviews,
    search,
    settlement,
    support,
    timeline,
)
from services import data as files
from services import jobs as job_service
from services import lotteries as lottery_service
from services import users as user_service
from spec.functions import FilePart

PAGE = 200
GRANT = Decimal(100_000)
SAMPLE = 60  # users taken in turns, so that their pages are warm in both worlds
CHANNEL = "@bench_channel"
TEXT = {"type": "text", "fileName": "a.txt", "contentType": "text/plain"}
LONG_AGO = timedelta(days=1000)
# Any; of the year that a world covers.
PERIOD = {"since": now() - timedelta(days=200), "until": now() - timedelta(days=190)}
FILES = 10
MONTHS_AHEAD = timedelta(days=120)  # by then the oldest files have expired, by TTL_HOURS
TTL_HOURS = 400 * 24


@dataclass
class Context:
    """The users of a world that calls are made for, and what earlier calls left for later ones."""

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
        """The next user of the sample."""
        return self.sample[self.turn() % len(self.sample)]

    def keep(self, kind: str, value: Any) -> None:
        """Keep a value for a later call."""
        self.made.setdefault(kind, []).append(value)

    def take(self, kind: str) -> Any:
        """Take a value that an earlier call has kept."""
        return self.made[kind].pop()

    def turn(self) -> int:
        """A number that no other call has."""
        return next(self._turns)


@dataclass(frozen=True)
class Call:
    """A call to measure. before: steps that prepare it and are not measured."""

    work: Callable[[Context], Any]
    before: tuple[Callable[[Context], Any], ...] = ()

    def prepare(self, context: Context) -> None:
        """Run the steps that `work` needs."""
        for step in self.before:
            step(context)


def prepare(world: World) -> Context:
    """Find the users that calls are made for, and grant them tokens."""
    numbers = [1700 + each * 37 for each in range(SAMPLE)]
    chosen = [str(rows.user_id(each, each * 37 % world.blocks)) for each in numbers]
    regular = str(rows.user_id(0, world.blocks // 2))
    found = Context(world, sample=chosen, regular=regular)
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
            grants.grant(session, UUID(user), GRANT, key=uuid4().hex, reason="bench")
    return found


def _order(c: Context, user: str) -> dict[str, Any]:
    photo = c.photos[c.sample[c.turn() % len(c.sample)]]
    picture = {"type": "image", "dataId": photo}
    return {"userId": user, "serviceType": "restore", "input": [picture]}


def _create(c: Context) -> None:
    body: Any = jobs.jobs_create(_order(c, c.user()), uuid4().hex)[0]
    c.keep("jobs", body["id"])


def _upload(c: Context) -> None:
    part = FilePart("file", "a.txt", "text/plain", io.BytesIO(b"Hi"), 2)
    data.data_upload_multipart({"type": "text"}, part)


def _presign(c: Context) -> None:
    form = data.data_get_presign(TEXT, uuid4().hex)[0]
    c.keep("forms", form)


def _confirm(c: Context) -> None:
    form = c.take("forms")
    registry.storage().put(form["fields"]["key"], io.BytesIO(b"Hi"), content_type="text/plain")
    data.data_confirm_upload(form["dataId"])


def _intent(c: Context) -> None:
    user, reference = c.user(), uuid4().hex
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
    c.keep("intents", (payment.id, reference))


def _settle(payment: tuple[UUID, str], outcome: Outcome, **more: Any) -> None:
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


def _pay(c: Context) -> None:
    payment = c.take("intents")
    _settle(payment, Outcome.SUCCEEDED)
    c.keep("paid", payment)


def _refund(c: Context) -> None:
    _settle(c.take("paid"), Outcome.REFUNDED, refunded_minor=100, refund_reference=uuid4().hex)


def _dispute(c: Context) -> None:
    payment = c.take("paid")
    _settle(payment, Outcome.DISPUTED)
    _settle(payment, Outcome.DISPUTE_WON)


def _expire_payment(c: Context) -> None:
    _settle(c.take("intents"), Outcome.EXPIRED)


def _check_channel(c: Context) -> None:
    user = UUID(c.user())
    with transaction() as session:
        bonuses.grant_channel(session, user, f"{CHANNEL}_{c.turn()}")


def _review(c: Context) -> None:
    """A message in the review chat, then its author's check."""
    user, message = UUID(c.user()), 10_000_000 + c.turn()
    with reading() as reader:
        telegram_id = user_service.get(reader, user).telegram_id
    with transaction() as session:
        reviews.ingest(
            session,
            chat_id=-100,
            message_id=message,
            author_id=int(telegram_id),
            text_sha256=f"{message:064d}",
            prose_length=40,
            posted_at=now(),
        )
    with transaction() as session:
        reviews.check_own(session, user)
    with transaction() as session:
        reviews.check_message(session, user, -100, message)


def _register(c: Context, **more: str) -> None:
    users.users_register_or_login({"telegramId": uuid4().hex, **more}, None)


def _submit(c: Context) -> None:
    links = ["https://example.com/1", f"https://example.com/{c.turn() % 9}"]
    lotteries.lotteries_submit_social({"userId": c.user(), "socialLinks": links})


def _claim(c: Context) -> None:
    with transaction() as session:
        claim = queue.claim(session, "bench")
    if claim is None:
        raise RuntimeError("the queue is empty")
    c.keep("claims", claim)


def _renew(c: Context) -> None:
    with transaction() as session:
        queue.renew(session, c.made["claims"][-1], progress=50)


def _finish(c: Context) -> None:
    claim = c.take("claims")
    with transaction() as session:
        row = files.reserve(session, "video", content_type="video/mp4", now=now())
    with transaction() as session:
        queue.finish(session, claim, row.id, size_bytes=1000, meta={}, now=now())


def _fail(c: Context, *, retryable: bool) -> None:
    with transaction() as session:
        queue.fail(session, c.take("claims"), code="x", message="-", retryable=retryable)


def _release(c: Context) -> None:
    with transaction() as session:
        queue.release(session, c.take("claims"))


def _give_up(c: Context) -> None:
    with transaction() as session:
        queue.give_up_lost(session)


def _engines_with_work(c: Context) -> None:
    with reading() as reader:
        remote_queue.engines_with_work(reader)


def _claim_attempts(c: Context) -> None:
    with transaction() as session:
        attempts.claim_due(
            session, "bench", states=attempts.QUICK_STATES, lease=timedelta(seconds=30), limit=64
        )


def _room(c: Context) -> None:
    with transaction() as session:
        engines.lock(session, "replicate")
        engines.room(session, "replicate", now=now())


def _give_up_waiting(c: Context) -> None:
    with transaction() as session:
        remote_queue.give_up_waiting(session, now=now())


def _abandon(c: Context) -> None:
    """Let the claim's worker go silent during its last attempt."""
    claim = c.take("claims")
    with transaction() as session:
        job = session.get_one(Job, claim.job_id)
        job.attempt, job.lease_until = 3, now() - timedelta(hours=1)


def _order_stale(c: Context) -> None:
    """Create an old order that nobody has paid for."""
    with transaction() as session:
        body = _order(c, c.poor[c.turn() % len(c.poor)])
        ordered = job_service.create(
            session,
            UUID(body["userId"]),
            service_type="animate",
            input=body["input"],
        )
        job = session.get_one(Job, ordered.id)
        job.created_at = now() - timedelta(days=300)


def _expire_waiting(c: Context, *, nothing: bool = False) -> None:
    with transaction() as session:
        job_service.expire_waiting(session, now=now() - LONG_AGO if nothing else now())


def _expire_files(c: Context, *, nothing: bool = False) -> None:
    with transaction() as session:
        files.expire(session, now=now() if nothing else now() + MONTHS_AHEAD, limit=FILES)


def _purge(c: Context) -> None:
    with transaction() as session:
        doomed = files.purgeable(session, limit=FILES)
    with transaction() as session:
        files.purged(session, [data_id for data_id, _ in doomed], now=now())


def _make_due(c: Context) -> None:
    """Make a payment due for a check with its provider."""
    payment_id, _ = c.take("intents")
    with transaction() as session:
        locked_payments.change(session, payment_id, next_check_at=now() - timedelta(days=3))


def _claim_payment(c: Context) -> None:
    with transaction() as session:
        if payments.claim_due(session, now=now()) is None:
            raise RuntimeError("no payment is due")


def _draw(c: Context) -> None:
    with transaction() as session:
        draws.draw_due(session, now=now())


def _sweep(c: Context) -> None:
    with transaction() as session:
        idempotency.sweep(session, now() - LONG_AGO)


def _forget(sweep: Callable[..., int]) -> Call:
    """A sweep of what is too old, when there is none."""

    def call(c: Context) -> None:
        with transaction() as session:
            sweep(session, now=now() - LONG_AGO)

    return Call(call)


def _claim_check(c: Context) -> None:
    with transaction() as session:
        payments.claim_check(session, c.take("intents")[0], now=now())


def _operator(query: Callable[..., Any], **values: Any) -> Call:
    def work(c: Context) -> None:
        with snapshot() as session:
            query(session, **values)

    return Call(work)


def _gauges(c: Context) -> None:
    with reading() as reader:
        gauges.read(reader)


def _middle(query: Callable[..., Any], **values: Any) -> Call:
    """The page that follows the first one."""

    def work(c: Context) -> None:
        with reading() as reader:
            first = query(reader, limit=20, **values)
            query(reader, limit=20, cursor=first.next_cursor, **values)

    return Call(work)


def _timeline(c: Context) -> None:
    with reading() as reader:
        first = timeline.of_user(reader, UUID(c.regular), limit=50)
        timeline.of_user(reader, UUID(c.regular), limit=50, cursor=first.next_cursor)


def _shown_payment(c: Context) -> None:
    payment_id, _ = c.take("paid")
    with reading() as reader:
        payments.get(reader, payment_id)
        inbox.of_payment(reader, payment_id)
        ledger.of_payment(reader, payment_id)


def _shown_order(c: Context) -> None:
    job_id = UUID(c.done_jobs[c.turn() % len(c.done_jobs)])
    with reading() as reader:
        listed_jobs.find(reader, job_id)
        ledger.of_job(reader, job_id)
        attempts.of_job(reader, job_id)
        (result,) = (UUID(each["dataId"]) for each in job_service.get(reader, job_id).output)
        files.of_ids(reader, [result])
        listed_jobs.with_result(reader, result)


def _searches(c: Context) -> None:
    typed = (c.regular, rows.telegram_id(20, 0), "1500", "@user_1", "req:none", "pi_none")
    with reading() as reader:
        for text in typed:
            search.find(reader, text)


def _count_bonuses(c: Context) -> None:
    with snapshot() as session:
        bonuses.given(session, ["@grandma"])


def _overview() -> None:
    with reading() as reader:
        overview.read(reader, now=now())


def _keep_figures() -> None:
    """Of a day on which people ordered: the generated world has been quiet since four days."""
    with transaction() as session:
        day_figures.compute(session, days.of(now()) - 6 * days.ONE, now=now())


READS = {
    "usersGetById": Call(lambda c: users.users_get_by_id(c.user())),
    "usersGetBalance": Call(lambda c: users.users_get_balance(c.user())),
    "jobsGet": Call(lambda c: jobs.jobs_get(c.done_jobs[c.turn() % len(c.done_jobs)], 0)),
    "jobsList": Call(lambda c: jobs.jobs_list(c.user(), PAGE, None)),
    "jobsList of a regular": Call(lambda c: jobs.jobs_list(c.regular, PAGE, None)),
    "jobsList, by cursor": Call(lambda c: jobs.jobs_list(c.regular, PAGE, c.middle["jobs"])),
    "transactionsList": Call(lambda c: transactions.transactions_list(c.user(), PAGE, None)),
    "transactionsList of a regular": Call(
        lambda c: transactions.transactions_list(c.regular, PAGE, None)
    ),
    "transactionsList, by cursor": Call(
        lambda c: transactions.transactions_list(c.regular, PAGE, c.middle["transactions"])
    ),
    "referralsGetLink": Call(lambda c: referrals.referrals_get_link(c.user())),
    "referralsStats": Call(lambda c: referrals.referrals_stats(c.user())),
    "referralsStats of a regular": Call(lambda c: referrals.referrals_stats(c.regular)),
    "referralsHistory": Call(lambda c: referrals.referrals_history(c.regular, PAGE, None)),
    "referralsHistory, by cursor": Call(
        lambda c: referrals.referrals_history(c.regular, PAGE, c.middle["referrals"])
    ),
    "lotteriesCurrent": Call(lambda c: lotteries.lotteries_current()),
    "lotteriesHistory": Call(lambda c: lotteries.lotteries_history(PAGE, None)),
    "lotteriesEntryMe": Call(lambda c: lotteries.lotteries_entry_me(str(rows.user_id(0, 0)))),
    "modelsList": Call(lambda c: models.models_list(None)),
    "tariffsList": Call(lambda c: tariffs.tariffs_list(PAGE, None)),
    "healthReady": Call(lambda c: ops.health_ready()),
}
WRITES = {
    "usersRegisterOrLogin, known": Call(
        lambda c: users.users_register_or_login(
            {"telegramId": rows.telegram_id(20 + c.turn() % SAMPLE, 0), "username": uuid4().hex},
            None,
        )
    ),
    "usersRegisterOrLogin, new": Call(_register),
    "usersRegisterOrLogin, invited": Call(lambda c: _register(c, refCode=c.inviter_code)),
    "usersUpdateConsent": Call(lambda c: users.users_update_consent(c.user(), {"consentPd": True})),
    "dataUploadMultipart": Call(_upload),
    "dataGetPresign": Call(_presign),
    "dataConfirmUpload": Call(_confirm, (_presign,)),
    "jobsCreate": Call(_create),
    "jobsCreate, waiting": Call(
        lambda c: jobs.jobs_create(_order(c, c.poor[c.turn() % len(c.poor)]), None)
    ),
    "jobsCancel": Call(lambda c: jobs.jobs_cancel(c.take("jobs")), (_create,)),
    "paymentsCreateIntent": Call(_intent),
    "paymentsCheck, before the provider is asked": Call(_claim_check, (_intent,)),
    "webhookPayments, paid": Call(_pay, (_intent,)),
    "webhookPayments, refunded": Call(_refund, (_intent, _pay)),
    "webhookPayments, disputed and won": Call(_dispute, (_intent, _pay)),
    "webhookPayments, expired": Call(_expire_payment, (_intent,)),
    "subscriptionsCheckChannel": Call(_check_channel),
    "reviewsCheck": Call(_review),
    "lotteriesSubmitSocial": Call(_submit),
}
WORKERS = {
    "look for jobs of providers, none": Call(_engines_with_work),
    "claim due attempts, none": Call(_claim_attempts),
    "what an engine may take": Call(_room),
    "give up jobs that no engine takes, none": Call(_give_up_waiting),
    "claim a job": Call(_claim, (_create,)),
    "renew a lease": Call(_renew, (_create, _claim)),
    "finish a job": Call(_finish, (_create, _claim)),
    "put a job back": Call(lambda c: _fail(c, retryable=True), (_create, _claim)),
    "fail a job": Call(lambda c: _fail(c, retryable=False), (_create, _claim)),
    "release a job": Call(_release, (_create, _claim)),
    "give up a lost job": Call(_give_up, (_create, _claim, _abandon)),
    "give up lost jobs, none": Call(_give_up),
    "close an unpaid job": Call(_expire_waiting, (_order_stale,)),
    "close unpaid jobs, none": Call(lambda c: _expire_waiting(c, nothing=True)),
    "expire 10 files": Call(_expire_files),
    "expire files, none": Call(lambda c: _expire_files(c, nothing=True)),
    "purge 10 files": Call(_purge, (_expire_files,)),
    "find a payment to ask about": Call(_claim_payment, (_intent, _make_due)),
    "draw lotteries, none": Call(_draw),
    "forget keys, none": Call(_sweep),
    "forget events, none": _forget(outbox.sweep),
    "forget who paid, none": _forget(inbox.forget_notices),
    "forget requests, none": _forget(support.forget_closed),
}
FEW = ("refunded",)
OPERATORS = {
    "jobs list": _middle(listed_jobs.newest),
    "jobs list, failed": _middle(listed_jobs.newest, status="failed"),
    **{
        f"jobs list, {status}": _middle(listed_jobs.newest, status=status)
        for status in ("waiting_payment", "queued", "processing")
    },
    "jobs list, a service": _middle(listed_jobs.newest, service_type="restore"),
    "jobs list, an error": _middle(listed_jobs.newest, error_code="engine_crashed"),
    "jobs list, a worker": _middle(listed_jobs.newest, worker="bench"),
    "jobs list, a period": _middle(listed_jobs.newest, **PERIOD),
    "jobs list, failed in a period": _middle(listed_jobs.newest, status="failed", **PERIOD),
    "payments list": _middle(payments.listed),
    **{
        f"payments list, {status}": _middle(payments.listed, status=status)
        for status in PAYMENT_STATUSES
        if status not in FEW
    },
    **{
        f"payments list, {provider}": _middle(payments.listed, provider=provider)
        for provider in PROVIDERS
    },
    "payments list, troubled": _middle(payments.listed, troubled=True),
    "payments list, a period": _middle(payments.listed, **PERIOD),
    "payments list, disputed at Stripe in a period": _middle(
        payments.listed, status="disputed", provider="stripe", **PERIOD
    ),
    "payment and its moves": Call(_shown_payment, (_intent, _pay)),
    "order and its moves": Call(_shown_order),
    **{
        f"events list, {state}": _middle(inbox.listed, state=state)
        for state in ("ignored", "applied")
    },
    "events list, flagged": _middle(inbox.listed, flagged=True),
    **{f"reviews list, {state}": _middle(reviews.listed, state=state) for state in REVIEW_STATES},
    "users list": _middle(people.listed),
    "users list, banned": _middle(people.listed, banned=True),
    "users list, a period": _middle(people.listed, **PERIOD),
    "timeline of a regular": Call(_timeline),
    "search": Call(_searches),
    "lotteries list": _operator(lottery_service.recent, limit=20),
    "outbox list": _operator(outbox.listed, limit=50),
    "outbox list, dead": _operator(outbox.listed, state="dead", limit=50),
    "outbox list, pending": _operator(outbox.listed, state="pending", limit=50),
    "lottery entries": _operator(
        lottery_service.entries, lottery_id=rows.lottery_id(1), limit=50, cursor=None
    ),
    "overview": Call(lambda c: _overview()),
    "users show": Call(
        lambda c: _operator(ledger.history, user_id=UUID(c.regular), limit=10, cursor=None).work(c)
    ),
}
# Their cost grows by nature: with what they count, the queue at most to a limit.
BOUNDED = {
    "jobsGet, queued": Call(lambda c: jobs.jobs_get(c.made["jobs"][-1], 0), (_create,)),
    "metrics for Prometheus": Call(_gauges),
    # Of these the small world has less than a page.
    **{f"payments list, {status}": _middle(payments.listed, status=status) for status in FEW},
    "events list, parked": _middle(inbox.listed, state="parked"),
    "events parked for want of a payment": _operator(
        inbox.settleable, since=now() - timedelta(days=2)
    ),
}
GROW = BOUNDED | {
    # It begins below all live orders that are newer.
    "jobs list, done": _middle(listed_jobs.newest, status="done"),
    "channels list": Call(_count_bonuses),
    "keep the figures of a day": Call(lambda c: _keep_figures()),
}
