"""Replicate: predictions over HTTP; https://replicate.com/docs/reference/http.

A file and everything about its run disappear an hour after its end. There is no price in an answer:
the cost is counted from the recipe's price and the measured seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
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
    mentions,
    path_of,
    percent,
    photo_form,
    quantity,
    strange,
    understood,
    unpolled,
    uploaded,
    without_upload,
)
from providers.fetch import Home
from providers.http import Patience, Transport

NAME = "replicate"
HOSTS = ("replicate.delivery",)
# Around the moment of a create whose answer was lost: their clock, and the slowest way there.
BEFORE, AFTER = timedelta(minutes=2), timedelta(minutes=5)
MAX_PAGES = 50

# Words and codes of failed runs: https://replicate.com/docs/reference/error-codes and what others
# have seen. The first that fits; any other failure is its infrastructure's.
_FAILURES = (
    (Trouble.REFUSAL, re.compile(r"E005|flagged as sensitive|NSFW|content polic|moderat", re.I)),
    (Trouble.INPUT, re.compile(r"E1001|out of memory|no faces?\b|aspect ratio|unidentified", re.I)),
)
_CODE = re.compile(r"\bE\d{3,4}\b|code: (PA)\b")


class ReplicateEngine:
    """The account of `token`. base_url ends in /v1."""

    name = NAME
    finds_by_mark = True
    pace = Pace()

    def __init__(self, base_url: str, token: str, *, patience: Patience = PATIENCE) -> None:
        transport = Transport(DIALECT, base_url, authorization=f"Bearer {token}", patience=patience)
        self._api = Wire(transport, lambda status, code, words: None)
        self._results = Results(HOSTS, Home(base_url))

    def upload(self, attempt_id: UUID, photo: Path) -> Upload:
        """See RemoteEngine. The file lives for 24 hours; its address is unique."""
        body, kind = photo_form("content", attempt_id, photo.read_bytes())
        answer = self._api.act(
            "POST", "/files", call="upload", body=body, headers={"Content-Type": kind}
        )
        if isinstance(answer, Failure):
            return without_upload(answer)
        urls = answer.body.get("urls")
        return uploaded(urls.get("get") if isinstance(urls, Mapping) else None)

    def create(self, order: Order, photo: Path) -> Create:
        """See RemoteEngine. Replicate gives up by itself at the order's deadline."""
        recipe = order.recipe
        body: dict[str, Any] = {**recipe.extra, "input": order.input()}
        path = f"/models/{path_of(recipe.model)}/predictions"
        if recipe.version:
            path, body["version"] = "/predictions", f"{recipe.model}:{recipe.version}"
        minutes = max(1, -(-order.run_seconds // 60))  # no other unit is documented
        headers = {"Cancel-After": f"{minutes}m"}
        outcome, _ = self._api.create(path, body, key="id", headers=headers)
        return outcome

    def find(self, order: Order, *, sent_at: datetime, known_ids: frozenset[str]) -> Find:
        """See RemoteEngine. Ours is the one with our photo; the list shows it for an hour."""
        hidden = []
        try:
            for item in self._listed(sent_at - BEFORE, sent_at + AFTER):
                if isinstance(item, Problem):
                    return Unclear(item)
                if item["id"] in known_ids:
                    continue
                if mentions(item.get("input"), order.photo) and known_id(item["id"]):
                    return Accepted(item["id"])
                if not item.get("input") and item.get("model") == order.recipe.model:
                    hidden.append(str(item["id"]))
        except UNREADABLE as error:
            return Unclear(strange(error))
        if hidden:
            return Unclear(Problem(Trouble.INFRASTRUCTURE, "input_hidden"), tuple(hidden))
        return Absent()

    def list_runs(
        self, recipe: Recipe, since: datetime, until: datetime
    ) -> Iterator[str | Problem]:
        """See RemoteEngine."""
        return ids_of(self._listed(since, until), "id", lambda item: item["model"] == recipe.model)

    def poll(self, run: Run) -> Poll:
        """See RemoteEngine."""
        answer = self._api.get(f"/predictions/{run.external_id}", call="poll")
        if isinstance(answer, Failure):
            return unpolled(answer)
        return understood(lambda: read_prediction(answer.body, run.recipe))

    def cancel(self, run: Run) -> Unanswered | None:
        """See RemoteEngine."""
        path = f"/predictions/{run.external_id}/cancel"
        answer = self._api.act("POST", path, call="cancel")
        passing = isinstance(answer, Failure) and answer.status not in (404, 409, 422)
        return Unanswered(answer.problem) if isinstance(answer, Failure) and passing else None

    def fetch(self, run: Run, file: RemoteFile, target: Path) -> Fetch:
        """See RemoteEngine. Within the hour."""
        return self._results.fetch(file.address, target, run.recipe.media_type, charged=Charged.YES)

    def health(self) -> Health:
        """See RemoteEngine. Proves the key; Replicate tells no balance."""
        answer = self._api.get("/account", call="health")
        return Health(answer.problem if isinstance(answer, Failure) else None)

    def _listed(self, since: datetime, until: datetime) -> Iterator[Mapping[str, Any] | Problem]:
        """Predictions of that time, newest first; a Problem where the list breaks off."""
        query = {"created_after": since.isoformat(), "created_before": until.isoformat()}
        for _ in range(MAX_PAGES):
            answer = self._api.listed(f"/predictions?{urlencode(query)}")
            if isinstance(answer, Problem):
                yield answer
                return
            yield from answer.body["results"]
            if not answer.body.get("next"):
                return
            # Only its query: no address in an answer is called.
            following = parse_qs(urlsplit(answer.body["next"]).query)
            query = {name: values[0] for name, values in following.items()}
        yield Problem(Trouble.INFRASTRUCTURE, "list_too_long")


def read_prediction(prediction: Mapping[str, Any], recipe: Recipe) -> Poll:
    """What a prediction says about itself."""
    status = prediction["status"]
    if status == "starting":
        return Queued()
    if status == "succeeded":
        return _succeeded(prediction, recipe)
    if status == "failed":
        return _failed(prediction, recipe)
    if status == "canceled":  # while running, which is billed
        return Canceled(Charged.MAYBE)
    if status == "aborted":  # at the deadline, before it started
        return Canceled(Charged.NO)
    return Running(percent(prediction.get("logs")))


def _succeeded(prediction: Mapping[str, Any], recipe: Recipe) -> Poll:
    cost = recipe.price.cost(_measured(prediction, recipe))
    address = first_url(prediction.get("output"), "video", "image", "output", "images")
    if address is None:
        code = "data_removed" if prediction.get("data_removed") else "no_output"
        return Failed(Problem(Trouble.NO_RESULT, code), Charged.YES, cost)
    return Succeeded(RemoteFile(address), cost)


def _failed(prediction: Mapping[str, Any], recipe: Recipe) -> Failed:
    words = str(prediction.get("error") or "")
    fitting = (trouble for trouble, form in _FAILURES if form.search(words))
    found = _CODE.search(words)
    code = found[1] or found[0] if found else "failed"
    problem = Problem(next(fitting, Trouble.INFRASTRUCTURE), code, words)
    # Models that are billed by the second bill failed runs too; of the others nobody says.
    return Failed(problem, Charged.MAYBE, recipe.price.cost(_measured(prediction, recipe)))


def _measured(prediction: Mapping[str, Any], recipe: Recipe) -> Decimal | None:
    metrics = prediction.get("metrics")
    metrics = metrics if isinstance(metrics, Mapping) else {}
    names = {"gpu_second": "predict_time", "output_second": "video_output_duration_seconds"}
    return quantity(metrics.get(names.get(recipe.price.measure, "")))


def _read_refusal(headers: Mapping[str, str], body: Mapping[str, Any]) -> Refusal:
    waiting = quantity(body.get("retry_after"))
    detail, title = body.get("detail"), body.get("title")
    return Refusal(
        description=str(detail or title or ""),
        retry_after=None if waiting is None else float(waiting),
    )


DIALECT = dialect(NAME, _read_refusal)
