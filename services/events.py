"""What the bot is told: one function for each type of event, and the one that writes them.

An event is written in the transaction of its effect, so there is none without it and never a
second one. docs/bot.md tells the bot's programmer what each type means.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

from jsonschema_rs import Draft202012Validator
from sqlalchemy import ColumnElement, UpdateBase, case, cast, func, insert, select, type_coerce
from sqlalchemy.orm import Session

import settings
from db import write
from db.models import Event, Job, Lottery, User
from db.rows import DataRow, EventRow, LockedPayment
from db.types import moment, now, number
from services.attempts import DueJob
from services.declines import Refusal
from spec.operations import inlined
from spec.schemas import compiled, reasons

log = logging.getLogger("services")

# What has become of the order when the bot is told of it.
_STATUS = {
    "job.queued": "queued",
    "job.started": "processing",
    "job.done": "done",
    "job.failed": "failed",
}
# type: the parts that it always has, besides those of all events.
TYPES: dict[str, tuple[str, ...]] = {
    "job.queued": ("user", "job"),
    "job.started": ("user", "job"),
    "job.done": ("user", "job", "results"),
    "job.failed": ("user", "job"),
    "payment.succeeded": ("user", "payment"),
    "payment.failed": ("user", "payment"),
    "payment.refunded": ("user", "payment"),
    "bonus.granted": ("user", "bonus"),
    "lottery.drawn": ("lottery",),
    "lottery.won": ("user", "lottery"),
}
BONUSES = {
    "channel": "Бонус за подписку на канал.",
    "review": "Спасибо за отзыв!",
    "referral": "Ваш друг сделал первую покупку, спасибо за приглашение!",
    "grant": "Вам подарок.",
}
# What is given to a row, besides what its user brings.
_GIVEN = ("type", "client_ref", "body", "state")
# What an engine tells of a result and the bot needs to send it.
_OF_RESULT = ("bytes", "width", "height", "durationSeconds", "faces")


@dataclass(frozen=True, slots=True)
class News:
    """An event about to be written. body: its text in Russian, and its parts by their names."""

    type: str
    body: dict[str, Any]
    client_ref: str | None = None


def tell(session: Session, user_id: UUID, news: News) -> None:
    """Write an event about a user, with their balance as it is at this point of the transaction.

    Of one who was erased there is nobody to be told.
    """
    _require_described(news, about_user=True)
    _write(session, user_id, *_columns(news))


def announce(session: Session, news: News) -> None:
    """Write an event that is about nobody in particular."""
    _require_described(news, about_user=False)
    _announce(session, *_columns(news))


def job_queued(job: Job) -> News:
    """An order that waited for tokens has them now, and its turn will come."""
    return _of_job("job.queued", job, f"Заказ №{job.number} оплачен и поставлен в очередь.")


def job_started(job: Job | DueJob) -> News:
    """The first attempt at an order has begun."""
    return _of_job("job.started", job, f"Заказ №{job.number}: начинаем работу.")


def job_done(job: Job, outcomes: Iterable[tuple[dict[str, Any], DataRow | None]]) -> News:
    """An order has ended with at least one result.

    outcomes: for each photo, what services/results.py keeps of it, and the row of its file.
    """
    results = [_result(outcome, file) for outcome, file in outcomes]
    made = sum("dataId" in each for each in results)
    text = f"Заказ №{job.number} готов!"
    if made < len(results):
        rest = "токены за остальные возвращены"
        text = f"Заказ №{job.number} готов: фото получилось {made} из {len(results)}, {rest}."
    return _of_job("job.done", job, text, results=results)


def job_failed(job: Job) -> News:
    """An order has ended without a result, what it cost is returned. meta: says why."""
    error = job.meta["error"]
    ended = _of_job("job.failed", job, f"Заказ №{job.number}. {error['message']}")
    ended.body["job"] |= {"reason": job.meta["reason"], "error": error}
    return ended


def payment_succeeded(payment: LockedPayment) -> News:
    """Money has arrived, and the tokens for it."""
    text = f"Оплата получена. Начислено токенов: {_words(payment.tokens)}."
    return _of_payment("payment.succeeded", payment, "succeeded", text)


def payment_failed(payment: LockedPayment, refusal: Refusal, status: str) -> News:
    """Nothing was paid, and nothing is expected to be. status: canceled or expired."""
    news = _of_payment("payment.failed", payment, status, refusal.message)
    news.body["payment"]["error"] = {"code": refusal.code, "message": refusal.message}
    return news


def payment_refunded(payment: LockedPayment, status: str, rub: Decimal, tokens: Decimal) -> News:
    """Rubles went back, this time `rub` of them, for which `tokens` were taken."""
    text = f"Платёж возвращён: {_words(rub)} ₽. Списано токенов: {_words(tokens)}."
    news = _of_payment("payment.refunded", payment, status, text)
    news.body["payment"] |= {"refundedRub": number(rub), "refundedTokens": number(tokens)}
    return news


def bonus_granted(reason: str, tokens: Decimal, *, channel: str | None = None) -> News:
    """Tokens were given. reason: one of BONUSES."""
    text = f"{BONUSES[reason]} Начислено токенов: {_words(tokens)}."
    bonus = {"reason": reason, "tokens": number(tokens)}
    return News("bonus.granted", {"text": text, "bonus": bonus | _known(channel=channel)})


def lottery_drawn(lottery: Lottery, winners: int) -> News:
    """A lottery was drawn; `winners` places have one."""
    text = f"Розыгрыш «{lottery.title}» проведён. Победителей: {winners}."
    drawn = _lottery(lottery) | {"winners": winners}
    return News("lottery.drawn", {"text": text, "lottery": drawn})


def lottery_won(lottery: Lottery, place: int, prize: str, tokens: Decimal) -> News:
    """A place in a lottery fell to a user; its tokens are theirs already."""
    text = f"Вы выиграли в розыгрыше «{lottery.title}»! Ваш приз: {prize}."
    if tokens:
        text = f"{text} Начислено токенов: {_words(tokens)}."
    won = {"place": place, "prize": prize, "tokens": number(tokens)}
    return News("lottery.won", {"text": text, "lottery": _lottery(lottery) | won})


def as_json(event: EventRow) -> dict[str, Any]:
    """A row as the contract's Event; links to files are added by whoever hands it out."""
    user = None
    if event.balance_tokens is not None:
        user = {
            "id": str(event.user_id),
            "telegramId": event.telegram_id,
            "balanceTokens": number(event.balance_tokens),
        }
    return {
        "id": str(event.id),
        "sequence": event.sequence,
        "type": event.type,
        "createdAt": moment(event.created_at),
        **_known(user=user, clientRef=event.client_ref),
        **event.body,
    }


def _of_job(type: str, job: Job | DueJob, text: str, **parts: Any) -> News:
    described = {
        "id": str(job.id),
        "orderId": str(job.number),
        "serviceType": job.service_type,
        "status": _STATUS[type],
        "priceTokens": number(job.price_tokens),
        "photos": job.photos,
    }
    return News(type, {"text": text, "job": described, **parts}, job.client_ref)


def _result(outcome: dict[str, Any], file: DataRow | None) -> dict[str, Any]:
    if file is None:
        return {"error": outcome["error"]}
    meta = outcome["meta"] | {"bytes": outcome["sizeBytes"]}
    return {
        "dataId": str(file.id),
        "type": file.type,
        "contentType": file.content_type,
        **{name: meta[name] for name in _OF_RESULT if meta.get(name) is not None},
    }


def _of_payment(type: str, payment: LockedPayment, status: str, text: str) -> News:
    described = {
        "id": str(payment.id),
        "provider": payment.provider,
        "status": status,
        "amountRub": number(payment.amount_rub),
        "tokens": number(payment.tokens),
        **_known(plan=payment.plan),
    }
    return News(type, {"text": text, "payment": described}, payment.client_ref)


def _lottery(lottery: Lottery) -> dict[str, Any]:
    return {"id": str(lottery.id), "title": lottery.title}


def _known(**values: Any) -> dict[str, Any]:
    """The contract never has null."""
    return {name: value for name, value in values.items() if value is not None}


def _words(amount: Decimal) -> str:
    """An amount as people write it in Russian."""
    return f"{number(amount)}".replace(".", ",")


def _columns(news: News) -> tuple[str, str | None, dict[str, Any], str]:
    """What is written of it besides its user: see _GIVEN."""
    state = "pending" if settings.load().events_url else "kept"
    return news.type, news.client_ref, news.body, state


def _require_described(news: News, *, about_user: bool) -> None:
    """ValueError in tests when the contract does not describe what is about to be written.

    For customers the effect counts more than the news of it: then it is a line in the log.
    """
    user = {"id": str(UUID(int=0)), "telegramId": "1", "balanceTokens": 0} if about_user else None
    whole = {
        "id": str(UUID(int=0)),
        "sequence": 1,
        "type": news.type,
        "createdAt": moment(now()),
        **_known(user=user, clientRef=news.client_ref),
        **news.body,
    }
    faults = reasons(_validator(), whole)
    faults |= {part: "is missing" for part in TYPES[news.type] if part not in whole}
    if not faults:
        return
    if settings.load().environment == "test":
        raise ValueError(f"{news.type} is not what the contract describes: {faults}")
    log.error("event does not match the contract", extra={"type": news.type, "reasons": faults})


@cache
def _validator() -> Draft202012Validator:
    from spec import CONTRACT  # reading it takes a tenth of a second, which most commands save

    return compiled(inlined(CONTRACT, CONTRACT["components"]["schemas"]["Event"]))


def _new(*values: Any) -> tuple[ColumnElement[Any], ...]:
    """An id, the values of _GIVEN, and when to send it: at once, if at all.

    A SELECT, unlike VALUES, does not take its types from the columns.
    """
    types = [Event.__table__.c[name].type for name in _GIVEN]
    given = [cast(type_coerce(each, it), it) for each, it in zip(values, types, strict=True)]
    next_at = case((given[-1] == "pending", func.now()))
    return func.gen_random_uuid(), *given, next_at


# The user is read by the statement that writes, which saves a round trip.
@write
def _write(
    user_id: UUID, type: str, client_ref: str | None, body: dict[str, Any], state: str
) -> UpdateBase:
    return insert(Event).from_select(
        ["id", *_GIVEN, "next_at", "user_id", "telegram_id", "balance_tokens"],
        select(
            *_new(type, client_ref, body, state), User.id, User.telegram_id, User.balance_tokens
        ).where(User.id == user_id, User.erased_at.is_(None)),
    )


@write
def _announce(type: str, client_ref: str | None, body: dict[str, Any], state: str) -> UpdateBase:
    values = select(*_new(type, client_ref, body, state))
    return insert(Event).from_select(["id", *_GIVEN, "next_at"], values)
