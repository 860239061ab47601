"""Orders, their files, and what was ordered from providers for them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Uuid, case, cast, func, literal_column, null, select

from db.models import Data, GenerationAttempt, Job
from services.personal_data.kept import BOOKS, OWNER, Kept, words

_INSIDE = "how the queue works inside"
_JOBS = select(Job.id).where(Job.user_id == OWNER)
# Until an order ends its results are in `results`.
_ITEMS = Job.input.op("||")(Job.output).op("||")(Job.results)
_FILE = func.jsonb_path_query(_ITEMS, literal_column("'$[*].dataId'")).op("#>>")("{}")


def files_of(user_id: Any) -> Select[UUID]:
    """The files of a user's orders."""
    return select(cast(_FILE, Uuid)).where(Job.user_id == user_id)


FILES = files_of(OWNER)


def _each(column: str, shape: str) -> ColumnElement[Any]:
    """A list of as many photos, each in this shape: the price of the order depends on how many."""
    return literal_column(
        f"(SELECT coalesce(jsonb_agg({shape}), '[]')"  # noqa: S608 nothing of a client's
        f" FROM jsonb_array_elements({column}) AS photo)"
    )


_INPUT = _each("input", "jsonb_build_object('type', photo->'type')")
_OUTPUT = _each(
    "output", "CASE WHEN photo ? 'dataId' THEN photo - 'meta' ELSE '{\"meta\": {}}' END"
)
_META: ColumnElement[Any] = literal_column(
    "jsonb_strip_nulls(jsonb_build_object('reason', meta->'reason', 'error',"
    " CASE WHEN meta ? 'error' THEN"
    " jsonb_build_object('code', meta#>'{error,code}', 'message', 'Данные удалены.') END))"
)


def _once_ended(column: Any, value: ColumnElement[Any]) -> ColumnElement[Any]:
    """What is under way has to be found at the provider to be cancelled; its words go with its end
    (services/attempt_moves.py).
    """
    return case((GenerationAttempt.ended_at.is_(None), column), else_=value)


FILES_OF_ORDERS = Kept(
    Data,
    "Ваши фото и наши результаты; сами файлы лежат в папке files",
    Data.id.in_(FILES),
    "id type status content_type size_bytes width height faces purpose created_at confirmed_at"
    " deleted_at",
    {"status": words("deleted")},
    "that there was a file; its bytes are deleted",
    {"where it is in our storage": "storage_key"},
    harmless="type content_type purpose storage_key",
)

ORDERS = Kept(
    Job,
    "Ваши заказы",
    Job.user_id == OWNER,
    "id number user_id model_id service_type status description client_ref price_tokens"
    " price_rub tokens_reserved tokens_consumed photos input output result_data_id progress meta"
    " created_at started_at updated_at finished_at",
    {
        "description": null(),
        "client_ref": null(),
        "request_id": null(),
        "traceparent": null(),
        "input": _INPUT,
        "results": literal_column("'[]'::jsonb"),
        "output": _OUTPUT,
        "meta": _META,
    },
    BOOKS,
    {
        _INSIDE: "engine results attempt releases run_at lease_until worker",
        "where it is in our logs": "request_id traceparent",
    },
    harmless="engine service_type status worker",
)

PROVIDERS_ORDERS = Kept(
    GenerationAttempt,
    "Ваши заказы у внешних сервисов обработки",
    GenerationAttempt.job_id.in_(_JOBS),
    "id job_id input_index number model_id engine prompt state photo external_id sent_at"
    " trouble error_code error_detail charged created_at updated_at ended_at",
    {
        "prompt": _once_ended(GenerationAttempt.prompt, words("")),
        "photo": _once_ended(GenerationAttempt.photo, null()),
        "result": _once_ended(GenerationAttempt.result, null()),
        "error_detail": null(),
    },
    "what providers charge us for",
    {
        _INSIDE: "paid_number recipe seed due_at worker claims deadline_at progress looks missing",
        "a key to the provider's copy of a file that is in the export": "result",
        "what it costs us": "cost_estimate cost_actual currency",
    },
    harmless="engine recipe state external_id worker trouble error_code currency charged",
)
