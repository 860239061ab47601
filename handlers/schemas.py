"""Rows as the contract's components: dump only, camelCase, unknown values left out, never null."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from operator import attrgetter
from typing import Any, Generic, TypeVar

from marshmallow import Schema, fields

import settings
from db.rows import EventRow, SupportRequestRow, UserRow
from db.types import moment, number
from providers import registry
from providers.payments.telegram import STARS
from services import declines, events, media, models
from services.feed import ResultFile
from services.waiting import Outlook

R = TypeVar("R")


class Amount(fields.Field[Decimal]):
    """An amount of tokens or rubles."""


class Moment(fields.Field[datetime]):
    """An aware time in RFC 3339, UTC."""


class Made(fields.Field[Any]):
    """What no column holds: a function makes it of the row."""

    def __init__(self, make: Callable[[Any], object]) -> None:
        super().__init__()
        self.make = make


class Component(Schema, Generic[R]):
    """A component of the contract, made of rows of type R.

    A field is the row's field of the same name, in camelCase. marshmallow declares it; what its
    dump() does for each row is done once here, and takes a fifth of its time: rows hold values of
    the fields' own types, which it would check again.
    """

    def __init__(self) -> None:
        super().__init__()
        self._steps = [
            (each.data_key or name, *_step(name, each)) for name, each in self.fields.items()
        ]

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        head, *tail = field_name.split("_")
        field_obj.data_key = head + "".join(map(str.title, tail))

    def body(self, row: R) -> dict[str, Any]:
        """The row, ready for JSON; what is None is left out."""
        body = {}
        for name, read, convert in self._steps:
            value = read(row)
            if value is not None:
                body[name] = value if convert is None else convert(value)
        return body


_CONVERSIONS: dict[type[fields.Field[Any]], Callable[[Any], Any] | None] = {
    Amount: number,
    Moment: moment,
    fields.Boolean: bool,
    fields.Integer: int,
    fields.Raw: None,
    fields.String: str,
    fields.UUID: str,
}


def _step(
    name: str, described: fields.Field[Any]
) -> tuple[Callable[[Any], Any], Callable[[Any], Any] | None]:
    """How a field is read from a row, and how its value is converted."""
    if isinstance(described, Made):
        return described.make, None
    return attrgetter(described.attribute or name), _CONVERSIONS[type(described)]


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


class Job(Component[Any]):
    id = fields.UUID()
    user_id = fields.UUID()
    model_id = fields.UUID()
    order_id = Made(lambda job: str(job.number))
    service_type = fields.String()
    status = fields.String()
    price_rub = Amount()
    price_tokens = Amount()
    missing_tokens = Made(lambda job: _missing_tokens(job))
    tokens_reserved = Amount()
    tokens_consumed = Amount()
    input = fields.Raw()
    output = fields.Raw()
    result_url = Made(lambda job: _result_url(job))
    progress = fields.Integer()
    meta = fields.Raw()
    client_ref = fields.String()
    created_at = Moment()
    updated_at = Moment()


class Data(Component[Any]):
    id = fields.UUID()
    type = fields.String()
    s3_url = Made(lambda row: registry.storage().uri(row.storage_key))
    public_s3_url = Made(lambda row: _link(row.storage_key, row.content_type))
    expired_in = Made(lambda row: settings.load().link_ttl_seconds)
    photo = Made(lambda row: _photo(row))
    created_at = Moment()


class Transaction(Component[Any]):
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


class Model(Component[Any]):
    id = fields.UUID()
    service_type = fields.String()
    title = fields.String()
    description = fields.String()
    price_tokens = Amount()
    price_rub = Amount()
    usual_seconds = fields.Integer()
    is_default = fields.Boolean()
    takes_wish = Made(lambda model: models.takes_wish(model.prompt))


class Tariff(Component[Any]):
    id = fields.UUID()
    name = fields.String()
    title = fields.String()
    monthly_tokens = fields.Integer()
    cost_rub = Amount()
    currency = fields.String()
    stars = Made(lambda tariff: registry.stars(tariff.cost_rub))
    created_at = Moment()


class PaymentIntent(Component[Any]):
    id = fields.UUID()
    provider = fields.String()
    amount_rub = Amount()
    currency = fields.String(attribute="asked_currency")
    payment_url = fields.String()
    reference = fields.String()
    status = fields.String()
    tokens = Amount()
    stars = Made(lambda payment: _asked_stars(payment))
    client_ref = fields.String()
    expires_at = Moment()


class Payment(Component[Any]):
    id = fields.UUID()
    user_id = fields.UUID()
    provider = fields.String()
    status = fields.String()
    amount_rub = Amount()
    currency = fields.String(attribute="asked_currency")
    stars = Made(lambda payment: _asked_stars(payment))
    tokens = Amount()
    refunded_rub = Amount()
    refunded_tokens = Amount()
    plan = fields.String()
    payment_url = Made(lambda payment: _open_page(payment))
    reference = fields.String()
    client_ref = fields.String()
    error = Made(lambda payment: _payment_error(payment))
    created_at = Moment()
    expires_at = Moment()
    checked_at = Moment(attribute="asked_at")
    paid_at = Moment()


class Referral(Component[Any]):
    id = fields.UUID()
    inviter_id = fields.UUID()
    invitee_id = fields.UUID()
    invitee_paid = fields.Boolean()
    reward_given = fields.Boolean()
    created_at = Moment()


class Review(Component[Any]):
    id = fields.UUID()
    user_id = fields.UUID()
    message_id = fields.String()
    reward_given = Made(lambda review: review.state == "rewarded")
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


class Lottery(Component[Any]):
    id = fields.UUID()
    title = fields.String()
    description = fields.String()
    start_date = Moment()
    end_date = Moment()
    prizes = fields.Raw()
    created_at = Moment()
    seed_hash = fields.String()


class LotteryEntry(Component[Any]):
    id = fields.UUID()
    lottery_id = fields.UUID()
    user_id = fields.UUID()
    referral_count = fields.Integer()
    social_links = fields.Raw()
    reward_given = fields.Boolean()
    created_at = Moment()


def drawn(lottery: Any, winners: Iterable[Any]) -> dict[str, Any]:
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
    """What is known of a job's place in the queue and its end."""
    known = {"queuePosition": outlook.position, "etaSeconds": outlook.eta_seconds}
    return {name: value for name, value in known.items() if value is not None}


def _link(storage_key: str, content_type: str) -> str:
    return registry.storage().url(
        storage_key,
        expires_in=settings.load().link_ttl_seconds,
        content_type=content_type,
    )


def _photo(row: Any) -> dict[str, Any] | None:
    """What the header of a photo said."""
    if row.width is None:
        return None
    size = {"width": row.width, "height": row.height}
    return {**size, "warnings": media.warnings(row.width, row.height)}


def _missing_tokens(job: Any) -> int | float | None:
    """What a waiting order still lacks; an order that has ended may have come without a balance."""
    if job.status != "waiting_payment":
        return None
    return number(max(job.price_tokens - job.spendable_tokens, Decimal(0)))


def _asked_stars(payment: Any) -> int | None:
    return payment.asked_minor if payment.asked_currency == STARS else None


def _open_page(payment: Any) -> str | None:
    url: str | None = payment.payment_url
    return url if payment.status == "pending" else None


def _payment_error(payment: Any) -> dict[str, str] | None:
    refusal = declines.of(payment.status, payment.decline_code)
    return None if refusal is None else {"code": refusal.code, "message": refusal.message}


def _result_url(job: Any) -> str | None:
    if job.status != "done" or job.result_status == "deleted":
        return None
    return _link(job.result_key, job.result_content_type)


@cache
def _instance(component: type[Component[R]]) -> Component[R]:
    return component()


def dump(component: type[Component[R]], row: R) -> dict[str, Any]:
    """`row` as this component of the contract."""
    return _instance(component).body(row)


def dump_all(component: type[Component[R]], rows: Iterable[R]) -> list[dict[str, Any]]:
    """Each row as this component of the contract."""
    return list(map(_instance(component).body, rows))
