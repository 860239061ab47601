"""Polza.ai: models of several providers for rubles and Russian cards; https://polza.ai/docs.

It has no uploads (the photo travels in the create), no cancel, and shows nobody's input, so that a
lost create is known only by its model and its minute: a deployment needs a key of its own.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from providers.dialects import Refusal
from providers.engine.remote import (
    Absent,
    Accepted,
    Canceled,
    Charged,
    Create,
    Failed,
    Fetch,
    Find,
    Health,
    Money,
    Order,
    Pace,
    Poll,
    Problem,
    Queued,
    RemoteFile,
    Run,
    Running,
    Succeeded,
    Trouble,
    Unanswered,
    Unclear,
    Upload,
    Uploaded,
)
from providers.engine.remote.recipes import Recipe
from providers.engine.remote.results import Results
from providers.engine.remote.wire import (
    PATIENCE,
    UNREADABLE,
    Failure,
    Wire,
    dialect,
    first_url,
    ids_of,
    known_id,
    quantity,
    strange,
    understood,
    unpolled,
    with_balance,
)
from providers.fetch import Home
from providers.http import Patience, Transport

NAME = "polza"
HOSTS = ("polza.ai",)  # results are at s3.polza.ai
CURRENCY = "RUB"
BEFORE, AFTER = timedelta(minutes=1), timedelta(minutes=3)
PAGE = 100
MAX_PAGES = 50

_NO_MONEY = re.compile(r"баланс|средств|insufficient", re.I)
_REFUSALS = re.compile(r"модерац|недопустим|политик\w+ контент|safety|moderat|content polic", re.I)


class PolzaEngine:
    """The account of `key`. base_url ends in /api/v1."""

    name = NAME
    finds_by_mark = False
    pace = Pace(image=4.0, video=8.0, find_seconds=(30.0, 120.0, 600.0))

    def __init__(self, base_url: str, key: str, *, patience: Patience = PATIENCE) -> None:
        transport = Transport(DIALECT, base_url, authorization=f"Bearer {key}", patience=patience)
        self._api = Wire(transport, _judge)
        self._results = Results(HOSTS, Home(base_url))

    def upload(self, attempt_id: UUID, photo: Path) -> Upload:
        """See RemoteEngine. Nothing to do: create() takes the photo along."""
        return Uploaded(str(attempt_id))

    def create(self, order: Order, photo: Path) -> Create:
        """See RemoteEngine. Without `async` it would hold the call for two minutes."""
        picture = base64.b64encode(photo.read_bytes()).decode()
        body = {
            **order.recipe.extra,
            "model": order.recipe.model,
            "input": order.input(picture),
            "async": True,
            "user": str(order.attempt_id),
        }
        outcome, _ = self._api.create("/media", body, key="id")
        return outcome

    def find(self, order: Order, *, sent_at: datetime, known_ids: frozenset[str]) -> Find:
        """See RemoteEngine. Ours is the only one of our model in those minutes, or nobody knows."""
        fitting = []
        try:
            for item in self._listed(order.recipe, sent_at, sent_at):
                if isinstance(item, Problem):
                    return Unclear(item)
                started = sent_at - BEFORE <= _moment(item["createdAt"]) <= sent_at + AFTER
                if started and item["model"] == order.recipe.model and known_id(item["id"]):
                    fitting.append(item["id"])
        except UNREADABLE as error:
            return Unclear(strange(error))
        ours = tuple(dict.fromkeys(each for each in fitting if each not in known_ids))
        if not ours:
            return Absent()
        if len(ours) > 1:
            return Unclear(Problem(Trouble.INFRASTRUCTURE, "several_fit"), ours)
        return Accepted(ours[0])

    def list_runs(
        self, recipe: Recipe, since: datetime, until: datetime
    ) -> Iterator[str | Problem]:
        """See RemoteEngine."""

        def fits(item: Mapping[str, Any]) -> bool:
            return item["model"] == recipe.model and since <= _moment(item["createdAt"]) <= until

        return ids_of(self._listed(recipe, since, until), "id", fits)

    def poll(self, run: Run) -> Poll:
        """See RemoteEngine."""
        answer = self._api.get(f"/media/{run.external_id}", call="poll")
        if isinstance(answer, Failure):
            return unpolled(answer)
        return understood(lambda: read_generation(answer.body, run.recipe))

    def cancel(self, run: Run) -> Unanswered | None:
        """See RemoteEngine. Polza cannot stop a run; it ends, and is paid."""
        return None

    def fetch(self, run: Run, file: RemoteFile, target: Path) -> Fetch:
        """See RemoteEngine."""
        return self._results.fetch(file.address, target, run.recipe.media_type, charged=Charged.YES)

    def health(self) -> Health:
        """See RemoteEngine."""
        answer = self._api.get("/balance", call="health")
        if isinstance(answer, Failure):
            return Health(answer.problem)
        return with_balance(answer.body.get("amount"), CURRENCY)

    def _listed(
        self, recipe: Recipe, since: datetime, until: datetime
    ) -> Iterator[Mapping[str, Any] | Problem]:
        """Generations of those days; a Problem where the list breaks off.

        A day more on both sides: nobody says where their days begin, nor whether the last counts.
        """
        first, last = (each.astimezone(UTC).date() for each in (since, until))
        query = {
            "dateFrom": (first - timedelta(days=1)).isoformat(),
            "dateTo": (last + timedelta(days=1)).isoformat(),
            "requestType": recipe.media_type,
            "limit": PAGE,
            "sortBy": "createdAt",
        }
        for page in range(1, MAX_PAGES + 1):
            path = f"/history/generations?{urlencode({**query, 'page': page})}"
            answer = self._api.listed(path)
            if isinstance(answer, Problem):
                yield answer
                return
            yield from answer.body["items"]
            if len(answer.body["items"]) < PAGE:
                return
        yield Problem(Trouble.INFRASTRUCTURE, "list_too_long")


def read_generation(generation: Mapping[str, Any], recipe: Recipe) -> Poll:
    """What a generation says about itself."""
    status = generation["status"]
    if status == "pending":
        return Queued()
    if status == "completed":
        cost = _cost(generation, recipe)
        address = first_url(generation.get("data"), *((recipe.media_type,)))
        if address is None:
            return Failed(Problem(Trouble.NO_RESULT, "no_output"), Charged.YES, cost)
        return Succeeded(RemoteFile(address), cost)
    if status == "failed":
        return _failed(generation)
    if status in ("cancelled", "canceled"):
        return Canceled(Charged.MAYBE)
    return Running()


def _failed(generation: Mapping[str, Any]) -> Failed:
    error = generation.get("error")
    error = error if isinstance(error, Mapping) else {"message": error}
    code, words = str(error.get("code") or "failed"), str(error.get("message") or "")
    if _REFUSALS.search(words) or code == "FORBIDDEN":
        trouble = Trouble.REFUSAL
    elif code == "BAD_REQUEST":
        trouble = Trouble.INPUT
    else:
        trouble = Trouble.INFRASTRUCTURE
    paid = quantity(_usage(generation).get("cost_rub"))
    charged = Charged.MAYBE if paid is None else Charged.YES if paid else Charged.NO
    cost = None if paid is None else Money(paid, CURRENCY)
    return Failed(Problem(trouble, code, words), charged, cost)


def _cost(generation: Mapping[str, Any], recipe: Recipe) -> Money:
    paid = quantity(_usage(generation).get("cost_rub"))
    return recipe.price.estimate() if paid is None else Money(paid, CURRENCY)


def _usage(generation: Mapping[str, Any]) -> Mapping[str, Any]:
    usage = generation.get("usage")
    return usage if isinstance(usage, Mapping) else {}


def _moment(value: Any) -> datetime:
    """ValueError without a time zone: an order must not seem absent because of a wrong one."""
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {value}")
    return moment


def _judge(status: int | None, code: str, words: str) -> Trouble | None:
    if status is None or status >= 500:
        return None
    if _NO_MONEY.search(words):
        return Trouble.CREDIT
    if status != 401 and _REFUSALS.search(words):
        return Trouble.REFUSAL
    return None


def _read_refusal(headers: Mapping[str, str], body: Mapping[str, Any]) -> Refusal:
    error = body.get("error")
    details = error if isinstance(error, Mapping) else {"message": error}
    return Refusal(
        reason=str(details.get("code") or ""),
        description=str(details.get("message") or body.get("message") or ""),
    )


DIALECT = dialect(NAME, _read_refusal)
