"""A person of whom every kind of row and file is kept, and the search for traces of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from itertools import count
from random import randrange
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert, select, text

import settings
from db import snapshot, transaction
from db.models import (
    Data,
    GenerationAttempt,
    GenerationModel,
    IdempotencyKey,
    Job,
    Review,
    Table,
    User,
)
from db.rows import DataRow, UserRow
from db.types import now
from providers import registry
from providers.payments import Notice, Outcome
from services import audit, bonuses, grants, jobs, lotteries, payments, reviews, support, users
from services.audit import Actor, Entry
from services.lotteries import Prize
from tests.factories import make_user, stored_image
from tests.job_steps import claim_job, finish_job
from workflows import payment_events

CHAT = -100200300
_messages = count(1)
PHOTO = b"\xff\xd8 a photo of somebody"


@dataclass
class Person:
    """Somebody, the word that everything of theirs contains, and the keys of their files."""

    user: UserRow
    mark: str
    keys: list[str]
    job_id: UUID
    payment_id: UUID
    request: int

    @property
    def words(self) -> tuple[str, ...]:
        """What must not be found after an erasure."""
        return self.mark, self.user.telegram_id, self.user.ref_code


def person(*, live: bool = True, **registered: Any) -> Person:
    """Somebody with a row in every table; live: with orders and a payment that are not over."""
    mark = f"mark-{uuid4().hex}"
    # So long that no other number contains it.
    registered.setdefault("telegram_id", str(randrange(10**13, 10**14)))
    user = make_user(
        200, username=mark, anon_user_id=mark, ref_code=make_user().ref_code, **registered
    )
    photo = stored_image(PHOTO)
    job_id = _orders(user, photo, mark, live=live)
    payment_id = _payments(user, mark, live=live)
    with transaction() as session:
        users.set_consent(session, user.id, True, now=now())
        users.set_email(session, user.id, f"{mark}@example.org")
        session.get_one(User, user.id).avatar_url = f"https://pictures.example/{mark}"
        bonuses.grant_channel(session, user.id, "@photo")
        grants.grant(session, user.id, Decimal(1), key=mark, reason=f"for {mark}")
        request = support.create(
            session, user.id, topic="help", message=f"I am {mark}", client_ref=mark, now=now()
        )
        session.execute(
            insert(IdempotencyKey).values(
                operation="usersRegisterOrLogin",
                key=f"start:{user.telegram_id}:7",
                fingerprint="",
                status=200,
                body={"id": str(user.id), "username": mark},
            )
        )
        for target in (f"user:{user.id}", f"job:{job_id}", f"payment:{payment_id}"):
            entry = Entry("user.grant", target, reason=f"for {mark}", key=mark, note=mark)
            audit.write(session, entry, by=Actor("anna", "support"))
    make_user(ref_code=user.ref_code)
    _review(user, mark)
    _entry(user, mark)
    with snapshot() as session:
        result = session.scalars(
            select(Data).join(Job, Job.result_data_id == Data.id).where(Job.id == job_id)
        ).one()
    keys = [photo.storage_key, result.storage_key]
    return Person(user, mark, keys, job_id, payment_id, request.number)


def traces(words: tuple[str, ...]) -> dict[str, list[str]]:
    """Rows of the whole database that contain one of these words, by table."""
    found = {}
    with snapshot() as session:
        for name in Table.metadata.tables:
            rows = session.scalars(text(f"SELECT t::text FROM {name} t"))
            if hits := [row for row in rows if any(word in row for word in words)]:
                found[name] = hits
    return found


def stored(keys: list[str]) -> list[str]:
    """Those of these keys under which there are bytes."""
    return [key for key in keys if registry.storage().head(key) is not None]


def attempt(job_id: UUID, mark: str, **values: Any) -> UUID:
    """An order at a provider that failed, unless `values` say otherwise."""
    row: dict[str, Any] = {
        "id": uuid4(),
        "job_id": job_id,
        "number": 1,
        "engine": "replicate",
        "recipe": {},
        "prompt": mark,
        "seed": 1,
        "state": "failed",
        "photo": f"https://files.example/{mark}",
        "result": f"https://files.example/{mark}/result",
        "error_detail": mark,
        "deadline_at": now(),
        "ended_at": now(),
        "cost_estimate": Decimal(1),
        "currency": "USD",
    }
    with transaction() as session:
        model = session.scalars(select(GenerationModel).limit(1)).one()
        session.execute(insert(GenerationAttempt).values(**row | {"model_id": model.id} | values))
    return UUID(str((row | values)["id"]))


def _orders(user: UserRow, photo: DataRow, mark: str, *, live: bool) -> UUID:
    done = _order(user, photo, mark)
    finish_job(claim_job(done))
    attempt(done, mark)
    for _ in range(3 if live else 0):
        _order(user, photo, mark)
    return done


def _order(user: UserRow, photo: DataRow, mark: str) -> UUID:
    item = {"type": "image", "dataId": str(photo.id), "meta": {"name": mark}}
    with transaction() as session:
        return jobs.create(
            session,
            user.id,
            service_type="restore",
            input=[item],
            description=f"as {mark} was",
            client_ref=mark,
        ).id


def _payments(user: UserRow, mark: str, *, live: bool) -> UUID:
    paid = open_payment(user, mark)
    pay(user, paid, raw={"customer": mark})
    if live:
        open_payment(user, mark)
    return paid


def open_payment(user: UserRow, mark: str) -> UUID:
    """A payment that may still be paid."""
    with transaction() as session:
        payment = payments.open(
            session,
            user.id,
            amount_rub=Decimal(200),
            provider="telegram",
            plan=None,
            client_ref=mark,
            now=now(),
        )
        payments.attach(
            session,
            payment.id,
            reference=str(payment.id),
            url=f"https://pay.example/{mark}",
            asked_minor=167,
            asked_currency="XTR",
            expires_at=None,
        )
    return payment.id


def pay(user: UserRow, payment_id: UUID, **more: Any) -> None:
    """Telegram reports that this user has paid."""
    payment_events.apply(paid_notice(payment_id, payer_id=user.telegram_id, **more))


def paid_notice(payment_id: UUID, **more: Any) -> Notice:
    """What Telegram says of a payment."""
    values: dict[str, Any] = {
        "provider": "telegram",
        "event_id": uuid4().hex,
        "kind": "successful_payment",
        "outcome": Outcome.SUCCEEDED,
        "payment_id": payment_id,
        "reference": str(payment_id),
        "charge_reference": f"charge-{payment_id}",
        "amount_minor": 167,
        "currency": "XTR",
    }
    return Notice(**values | more)


def _review(user: UserRow, mark: str) -> None:
    for words in ("first", "second"):
        with transaction() as session:
            reviews.ingest(
                session,
                chat_id=CHAT,
                message_id=next(_messages),
                author_id=int(user.telegram_id),
                text_sha256=f"{mark} {words}",
                prose_length=40,
                posted_at=now(),
            )
    with transaction() as session:
        reviews.check_own(session, user.id)
        note = f"perhaps by {mark}"
        session.query(Review).filter_by(author_telegram_id=user.telegram_id).update({"note": note})


def _entry(user: UserRow, mark: str) -> None:
    moment = now()
    with transaction() as session:
        running = session.scalar(text("SELECT count(*) FROM lotteries"))
        if not running:
            lotteries.create(
                session,
                title="Осень",
                description="Розыгрыш",
                start_date=moment - timedelta(hours=1),
                end_date=moment + timedelta(hours=1),
                prizes=[Prize("Приз", 1, Decimal(50))],
            )
        lotteries.submit_social(session, user.id, [f"https://vk.example/{mark}"], now=moment)


def set_key(monkeypatch: Any, value: str) -> None:
    """Change ERASURE_KEY."""
    monkeypatch.setenv("ERASURE_KEY", value)
    settings.load.cache_clear()
