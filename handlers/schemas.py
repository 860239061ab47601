"""Rows as the contract's components: dump only, camelCase, unknown values left out, never null."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from marshmallow import Schema, fields, post_dump

import providers
import settings

if TYPE_CHECKING:
    from db.models import Data as DataRow
    from db.models import Job as JobRow


class Amount(fields.Field[Decimal]):
    """A Decimal with two decimals as a JSON number; float's shortest form is exact at this size."""

    def _serialize(self, value: Decimal | None, attr: Any, obj: Any, **kwargs: Any) -> Any:
        if value is None:
            return None
        return int(value) if value == value.to_integral_value() else float(value)


class Moment(fields.Field[datetime]):
    """An aware time in RFC 3339, UTC."""

    def _serialize(self, value: datetime | None, attr: Any, obj: Any, **kwargs: Any) -> Any:
        return value and value.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Component(Schema):
    """A component of the contract whose property names are the fields' in camelCase."""

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        head, *tail = field_name.split("_")
        field_obj.data_key = head + "".join(map(str.title, tail))

    @post_dump
    def leave_out_unknown(self, body: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return {name: value for name, value in body.items() if value is not None}


class User(Component):
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
    created_at = Moment()
    updated_at = Moment()


class Job(Component):
    id = fields.UUID()
    user_id = fields.UUID()
    model_id = fields.UUID()
    order_id = fields.Function(lambda job: str(job.number))
    service_type = fields.String()
    status = fields.String()
    price_rub = Amount()
    tokens_reserved = Amount()
    tokens_consumed = Amount()
    input = fields.Raw()
    output = fields.Raw()
    result_url = fields.Function(lambda job: _result_url(job))
    progress = fields.Integer()
    meta = fields.Raw()
    created_at = Moment()
    updated_at = Moment()


class Data(Component):
    id = fields.UUID()
    type = fields.String()
    s3_url = fields.Function(lambda row: providers.storage().uri(row.storage_key))
    public_s3_url = fields.Function(lambda row: _link(row))
    expired_in = fields.Function(lambda row: settings.load().link_ttl_seconds)
    created_at = Moment()

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        super().on_bind_field(field_name, field_obj)
        if field_name == "public_s3_url":
            field_obj.data_key = "publicS3Url"


class Transaction(Component):
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


class Tariff(Component):
    id = fields.UUID()
    name = fields.String()
    title = fields.String()
    monthly_tokens = fields.Integer()
    cost_rub = Amount()
    currency = fields.String()
    created_at = Moment()


def _link(row: DataRow) -> str:
    return providers.storage().url(
        row.storage_key,
        expires_in=settings.load().link_ttl_seconds,
        filename=None,
        content_type=row.content_type,
    )


def _result_url(job: JobRow) -> str | None:
    if job.status != "done" or job.result is None or job.result.status == "deleted":
        return None
    return _link(job.result)


_SCHEMAS: dict[str, Schema] = {
    schema.__name__: schema() for schema in (User, Job, Data, Transaction, Tariff)
}


def dump(component: str, row: Any) -> dict[str, Any]:
    """`row` as the named component of the contract."""
    body: dict[str, Any] = _SCHEMAS[component].dump(row)
    return body


def dump_all(component: str, rows: Iterable[Any]) -> list[dict[str, Any]]:
    """Each row as the named component of the contract."""
    schema = _SCHEMAS[component]
    return [schema.dump(row) for row in rows]
