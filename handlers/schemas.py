"""Rows as the contract's components: dump only, camelCase, unknown values left out, never null."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar

from marshmallow import fields

import settings
from db.rows import (
    DataRow,
    EventRow,
    GenerationModelRow,
    JobRow,
    LotteryEntryRow,
    LotteryRow,
    LotteryWinnerRow,
    PaymentRow,
    ReferralRow,
    ReviewRow,
    SupportRequestRow,
    TariffRow,
    TransactionRow,
    UserRow,
)
from db.types import moment, number
from handlers.components import Amount, Component, Made, Moment
from providers import registry
from providers.payments.telegram import STARS
from services import declines, events, media, models
from services.feed import ResultFile
from services.waiting import Outlook

R = TypeVar("R")


def _link(storage_key: str, content_type: str) -> str:
    return registry.storage().url(
        storage_key,
        expires_in=settings.load().link_ttl_seconds,
        content_type=content_type,
    )


def _order_id(job: JobRow[Any]) -> str:
    return str(job.number)


def _stored_at(file: DataRow) -> str:
    return registry.storage().uri(file.storage_key)


def _file_link(file: DataRow) -> str:
    return _link(file.storage_key, file.content_type)


def _link_seconds(file: DataRow) -> int:
    return settings.load().link_ttl_seconds


def _is_rewarded(review: ReviewRow) -> bool:
    return review.state == "rewarded"


def _stars_for(tariff: TariffRow) -> int | None:
    return registry.stars(tariff.cost_rub)


def _takes_wish(model: GenerationModelRow) -> bool:
    return models.takes_wish(model.prompt)


def _result_url(job: JobRow[Any]) -> str | None:
    if job.status != "done" or job.result_key is None or job.result_status == "deleted":
        return None
    return _link(job.result_key, job.result_content_type or "")


def _photo(file: DataRow) -> dict[str, Any] | None:
    """What is seen of a photo: its header, and how many faces if somebody has looked."""
    if file.width is None or file.height is None:
        return None
    seen: dict[str, Any] = {"width": file.width, "height": file.height}
    if file.faces is not None:
        seen["faces"] = file.faces
    return {**seen, "warnings": media.warnings(file.width, file.height, file.faces)}


def _missing_tokens(job: JobRow[Any]) -> int | float | None:
    """What a waiting order still lacks; an order that has ended may have come without a balance."""
    if job.status != "waiting_payment" or job.spendable_tokens is None:
        return None
    return number(max(job.price_tokens - job.spendable_tokens, Decimal(0)))


def _asked_stars(payment: PaymentRow) -> int | None:
    return payment.asked_minor if payment.asked_currency == STARS else None


def _open_page(payment: PaymentRow) -> str | None:
    return payment.payment_url if payment.status == "pending" else None


def _payment_error(payment: PaymentRow) -> dict[str, str] | None:
    refusal = declines.of(payment.status, payment.decline_code)
    return None if refusal is None else {"code": refusal.code, "message": refusal.message}


class User(Component[UserRow]):
    id = fields.UUID()
    telegram_id = fields.String()
    username = fields.String()
    anon_user_id = fields.String()
    email = fields.String()
    avatar_url = fields.String()
    balance_tokens = Amount()
    ref_code = fields.String()
    referrer_id = fields.UUID()
    has_left_review = fields.Boolean()
    consent_pd = fields.Boolean()
    consent_version = fields.String()
    created_at = Moment()
    updated_at = Moment()


class Job(Component[JobRow[Any]]):
    id = fields.UUID()
    user_id = fields.UUID()
    model_id = fields.UUID()
    order_id = Made(_order_id)
    service_type = fields.String()
    status = fields.String()
    price_rub = Amount()
    price_tokens = Amount()
    missing_tokens = Made(_missing_tokens)
    tokens_reserved = Amount()
    tokens_consumed = Amount()
    input = fields.Raw()
    output = fields.Raw()
    result_url = Made(_result_url)
    progress = fields.Integer()
    meta = fields.Raw()
    client_ref = fields.String()
    created_at = Moment()
    updated_at = Moment()


class Data(Component[DataRow]):
    id = fields.UUID()
    type = fields.String()
    s3_url = Made(_stored_at)
    public_s3_url = Made(_file_link)
    expired_in = Made(_link_seconds)
    photo = Made(_photo)
    created_at = Moment()


class Transaction(Component[TransactionRow[Any]]):
    id = fields.UUID()
    user_id = fields.UUID()
    job_id = fields.UUID()
    type = fields.String()
    provider = fields.String()
    status = fields.String()
    amount_rub = Amount()
    tokens_delta = Amount()
    currency = fields.String()
    plan = fields.String()
    reference = fields.String()
    meta = fields.Raw()
    created_at = Moment()


class Model(Component[GenerationModelRow]):
    id = fields.UUID()
    service_type = fields.String()
    title = fields.String()
    description = fields.String()
    price_tokens = Amount()
    price_rub = Amount()
    usual_seconds = fields.Integer()
    is_default = fields.Boolean()
    takes_wish = Made(_takes_wish)


class Tariff(Component[TariffRow]):
    id = fields.UUID()
    name = fields.String()
    title = fields.String()
    monthly_tokens = fields.Integer()
    cost_rub = Amount()
    currency = fields.String()
    stars = Made(_stars_for)
    created_at = Moment()


class PaymentIntent(Component[PaymentRow]):
    id = fields.UUID()
    provider = fields.String()
    amount_rub = Amount()
    currency = fields.String(attribute="asked_currency")
    payment_url = fields.String()
    reference = fields.String()
    status = fields.String()
    tokens = Amount()
    stars = Made(_asked_stars)
    client_ref = fields.String()
    expires_at = Moment()


class Payment(Component[PaymentRow]):
    id = fields.UUID()
    user_id = fields.UUID()
    provider = fields.String()
    status = fields.String()
    amount_rub = Amount()
    currency = fields.String(attribute="asked_currency")
    stars = Made(_asked_stars)
    tokens = Amount()
    refunded_rub = Amount()
    refunded_tokens = Amount()
    plan = fields.String()
    payment_url = Made(_open_page)
    reference = fields.String()
    client_ref = fields.String()
    error = Made(_payment_error)
    created_at = Moment()
    expires_at = Moment()
    checked_at = Moment(attribute="asked_at")
    paid_at = Moment()


class Referral(Component[ReferralRow[Any]]):
    id = fields.UUID()
    inviter_id = fields.UUID()
    invitee_id = fields.UUID()
    invitee_paid = fields.Boolean()
    reward_given = fields.Boolean()
    created_at = Moment()


class Review(Component[ReviewRow]):
    id = fields.UUID()
    user_id = fields.UUID()
    message_id = fields.String()
    reward_given = Made(_is_rewarded)
    created_at = Moment()


class SupportRequest(Component[SupportRequestRow]):
    id = fields.UUID()
    number = fields.Integer()
    user_id = fields.UUID()
    topic = fields.String()
    message = fields.String()
    payment_id = fields.UUID()
    job_id = fields.UUID()
    client_ref = fields.String()
    status = fields.String()
    created_at = Moment()


class Lottery(Component[LotteryRow]):
    id = fields.UUID()
    title = fields.String()
    description = fields.String()
    start_date = Moment()
    end_date = Moment()
    prizes = fields.Raw()
    created_at = Moment()
    seed_hash = fields.String()


class LotteryEntry(Component[LotteryEntryRow]):
    id = fields.UUID()
    lottery_id = fields.UUID()
    user_id = fields.UUID()
    referral_count = fields.Integer()
    social_links = fields.Raw()
    reward_given = fields.Boolean()
    created_at = Moment()


def drawn(lottery: LotteryRow, winners: Iterable[LotteryWinnerRow]) -> dict[str, Any]:
    """What the draw adds to a Lottery: the revealed seed and the winners, without their names."""
    if lottery.drawn_at is None:
        return {}
    return {
        "seed": lottery.seed,
        "entriesHash": lottery.entries_hash,
        "drawnAt": moment(lottery.drawn_at),
        "winners": [
            {
                "place": winner.place,
                "prize": winner.prize,
                "tokens": number(winner.tokens),
                "entryId": str(winner.entry_id),
            }
            for winner in winners
        ],
    }


def event(row: EventRow, files: Mapping[str, ResultFile]) -> dict[str, Any]:
    """An Event with fresh links to those of its results that are still stored."""
    body = events.as_json(row)
    if "results" in body:
        body["results"] = [_linked(result, files) for result in body["results"]]
    return body


def _linked(result: dict[str, Any], files: Mapping[str, ResultFile]) -> dict[str, Any]:
    file = files.get(result.get("dataId", ""))
    return result if file is None else result | {"url": _link(file.storage_key, file.content_type)}


def expected(outlook: Outlook) -> dict[str, int]:
    """What is known of a job's position in the queue and its end."""
    known = {"queuePosition": outlook.position, "etaSeconds": outlook.eta_seconds}
    return {name: value for name, value in known.items() if value is not None}


@cache
def _instance(component: type[Component[R]]) -> Component[R]:
    return component()


def dump(component: type[Component[R]], row: R) -> dict[str, Any]:
    """`row` as this component of the contract."""
    return _instance(component).body(row)


def dump_all(component: type[Component[R]], rows: Iterable[R]) -> list[dict[str, Any]]:
    """Each row as this component of the contract."""
    return list(map(_instance(component).body, rows))
