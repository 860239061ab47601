"""Configuration of schemathesis for this contract, used by pytest and the command line."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import schemathesis
from schemathesis.core.failures import ServerError
from schemathesis.generation.meta import TestPhase
from schemathesis.openapi.checks import RejectedPositiveData

from spec.operations import operations_of


class Rows(Protocol):
    """Ids of rows that exist, so that the attack gets past 404."""

    users: list[str]
    telegram_ids: list[str]
    channels: list[str]
    data: list[str]
    jobs: list[str]
    payments: list[str]


# Where the contract takes an id: the rows it may name.
PLACES = {
    "body.jobId": "jobs",
    "body.paymentId": "payments",
    "path.userId": "users",
    "query.userId": "users",
    "body.userId": "users",
    "body.telegramId": "telegram_ids",
    "body.channelUsername": "channels",
    "path.dataId": "data",
    "path.jobId": "jobs",
    "path.paymentId": "payments",
}
# Refusals of requests that the contract's JSON Schema cannot exclude; each is covered by a test of
# its own. (operationId or "", code, field of details)
RIGHTLY_REFUSED = {
    # More than a person may ask for in a day.
    ("supportRequestsCreate", "rate_limited", ""),
    # A key was drawn twice, with another request.
    ("", "idempotency_key_reused", ""),
    # Cursors are opaque to clients: any text may be sent, few are ours.
    ("", "bad_request", "cursor"),
    # The content of the file does not fit `type`, nor the announced type.
    ("dataUploadMultipart", "unsupported_media_type", "file"),
    ("dataUploadMultipart", "bad_request", "file"),
    ("dataGetPresign", "unsupported_media_type", "contentType"),
    # A place that no event has reached yet.
    ("eventsList", "bad_request", "after"),
    # A link, but not to a host on the public internet.
    *(("jobsCreate", "bad_request", f"input.{place}.url") for place in range(10)),
    # A link, but not to a message in Telegram.
    ("reviewsCheck", "bad_request", "messageLink"),
    # Too many in all, together with those that were sent before.
    ("lotteriesSubmitSocial", "bad_request", "socialLinks"),
    # A body is the provider's own, so the contract says "any object"; {} is no notification.
    ("webhookPayments", "bad_request", ""),
}
# The rest is made up: 404 is an answer to test, too.
SHARE_OF_REAL_IDS = 0.8
LONGEST_WAIT = 25  # of the contract; nothing happens meanwhile, as no worker runs
ANSWERED = "FUZZ_ANSWERED"  # names a file
KEY = re.compile(r"[!-~]{1,200}")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
FORMS = {"telegramId": re.compile(r"[!-~]{1,32}"), "channelUsername": re.compile(r".{1,64}")}
calls = count()
# operationId: how often it was answered with each status.
answered: dict[str, Counter[int]] = defaultdict(Counter)


def unreached(contract: dict[str, Any]) -> set[str]:
    """Operations that were never answered with 2xx: nothing is proved of what they do."""
    names = (operation.operation_id for operation in operations_of(contract))
    return {name for name in names if not any(status < 300 for status in answered[name])}


def config(
    origin: str, api_key: str, rows: Rows, *, examples: int, deterministic: bool = True
) -> dict[str, Any]:
    """Configuration of schemathesis; each deviation from its defaults has its reason beside it."""
    return {
        "base-url": origin,
        "hooks": "tests.contract.fuzzing",
        "continue-on-failure": True,
        "request-timeout": 20,
        "auth": {"openapi": {"ApiKeyAuth": {"api_key": api_key}}},
        "dictionaries": {
            name: {"values": getattr(rows, name)} for name in dict.fromkeys(PLACES.values())
        },
        "parameters": {
            place: {"dictionary": name, "probability": SHARE_OF_REAL_IDS}
            for place, name in PLACES.items()
        },
        "generation": {
            "max-examples": examples,
            # The same attack each time: a red build is due to the change, not to chance.
            "deterministic": deterministic,
            "database": "none",
            # PostgreSQL has no NUL in texts, and JSON Schema cannot say so; tests/spec sends it.
            "allow-x00": False,
        },
    }


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """In four of five requests, do what dictionaries cannot: fresh keys, real ids wherever one is
    made up, real photos in orders.

    Keys that schemathesis invents are often "0", which another request has taken. Nobody waits
    for more than a second.
    """
    number = next(calls)
    if 1 < _seconds((case.query or {}).get("wait")) <= LONGEST_WAIT:
        case.query["wait"] = 1
    if number % 5 == 0:
        return
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and KEY.fullmatch(key):
        case.headers["Idempotency-Key"] = f"{key}-{number}"
    rows = case.operation.schema.config.dictionaries
    if case.meta.phase.name is not TestPhase.STATEFUL:  # which has ids of its own
        for place, name in PLACES.items():
            _name_a_row(case, place, rows[name].entries, number)
    photos = rows["data"].entries
    for item in _items(case.body):
        if UUID.fullmatch(str(item.get("dataId"))):
            item["dataId"] = photos[number % len(photos)].value


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Remember how each operation was answered, for whoever started schemathesis in a file."""
    operation = case.operation.definition.raw["operationId"]
    answered[operation][response.status_code] += 1
    if file := os.environ.get(ANSWERED):
        with Path(file).open("a") as lines:
            lines.write(f"{operation} {response.status_code}\n")


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Whether a failure counts; it does not when the server was right to refuse."""
    if not isinstance(failure, (RejectedPositiveData, ServerError)):
        return True
    body = response.json()
    operation = case.operation.definition.raw["operationId"]
    return not any(
        (name, body.get("code"), field) in RIGHTLY_REFUSED
        for name in (operation, "")
        for field in (*body.get("details", {}), "")
    )


def _name_a_row(case: Any, place: str, rows: list[Any], number: int) -> None:
    """Put a row's name where a well-formed one is; rows of one person have the same place."""
    part, _, field = place.partition(".")
    given = {"path": case.path_parameters, "query": case.query, "body": case.body}[part]
    value = given.get(field) if isinstance(given, dict) else None
    if isinstance(value, str) and FORMS.get(field, UUID).fullmatch(value):
        given[field] = rows[number % len(rows)].value


def _seconds(wait: Any) -> int:
    """As the server reads it; 0 for what is no number."""
    text = str(wait)
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 2 else 0


def _items(body: Any) -> list[dict[str, Any]]:
    """The inputs of an order, as far as they are well formed."""
    found = body.get("input") if isinstance(body, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
