"""fal.ai: its queue over HTTP; https://fal.ai/docs/model-apis/model-endpoints/queue.

There is no failed status: a failed run is COMPLETED, and its result answers with the error. Waiting
and cold starts cost nothing, nor does what ends with 500 or above.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from providers.dialects import Answer, Refusal
from providers.engine.remote import (
    Absent,
    Accepted,
    Canceled,
    Charged,
    Create,
    Failed,
    Fetch,
    Find,
    Gone,
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
    JSON,
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
    quantity,
    strange,
    understood,
    unpolled,
    uploaded,
    with_balance,
    without_upload,
)
from providers.fetch import Home
from providers.http import Patience, Transport

NAME = "fal"
QUEUE_URL = "https://queue.fal.run"
HOSTS = ("fal.media",)
BEFORE, AFTER = timedelta(minutes=2), timedelta(minutes=5)
MAX_PAGES = 50
FILE_SECONDS = 86_400  # our result stays there for a day, in case all workers stand still
_NAMESPACES = ("workflows", "comfy")  # before the owner of some models

_REFUSALS = re.compile(r"content_policy_violation|no_media_generated|safety|nsfw", re.I)
_INPUTS = re.compile(r"image_|file_download|file_too|unsupported_(image|aspect)|face_detection")


@dataclass(frozen=True)
class Addresses:
    """fal's four hosts: runs, tokens for uploads, the account, files."""

    queue: str = QUEUE_URL
    rest: str = "https://rest.fal.ai"
    platform: str = "https://api.fal.ai/v1"
    cdn: str = "https://v3.fal.media"

    @classmethod
    def of(cls, base_url: str) -> Addresses:
        """fal's own, or those below another server: /rest, /platform and /cdn."""
        if base_url == QUEUE_URL:
            return cls()
        return cls(base_url, f"{base_url}/rest", f"{base_url}/platform", f"{base_url}/cdn")


class FalEngine:
    """The account of `key`. base_url: of the queue; see Addresses.of for the rest."""

    name = NAME
    finds_by_mark = True
    # A run that still waits may not be listed, so that only a late look is certain.
    pace = Pace(find_seconds=(30.0, 120.0, 600.0, 1800.0))

    def __init__(self, base_url: str, key: str, *, patience: Patience = PATIENCE) -> None:
        at = Addresses.of(base_url)

        def wire(url: str, authorization: str | None) -> Wire:
            transport = Transport(DIALECT, url, authorization=authorization, patience=patience)
            return Wire(transport, _judge)

        self._queue = wire(at.queue, f"Key {key}")
        self._rest = wire(at.rest, f"Key {key}")
        self._platform = wire(at.platform, f"Key {key}")
        self._cdn = wire(at.cdn, None)  # each upload has a token of its own
        self._results = Results(HOSTS, Home(at.queue))

    def upload(self, attempt_id: UUID, photo: Path) -> Upload:
        """See RemoteEngine."""
        path = "/storage/auth/token?storage_type=fal-cdn-v3"
        token = self._rest.act("POST", path, call="token", body=b"{}", headers=JSON)
        if isinstance(token, Failure):
            return without_upload(token)
        headers = {
            "Authorization": f"{token.body.get('token_type')} {token.body.get('token')}",
            "Content-Type": "image/jpeg",
            "X-Fal-File-Name": f"{attempt_id}.jpg",
            **_lifecycle(),
        }
        answer = self._cdn.act(
            "POST", "/files/upload", call="upload", body=photo.read_bytes(), headers=headers
        )
        if isinstance(answer, Failure):
            return without_upload(answer)
        return uploaded(answer.body.get("access_url"))

    def create(self, order: Order, photo: Path) -> Create:
        """See RemoteEngine. fal's own repeats and fallbacks are off; it starts in time or never."""
        headers = {
            "X-Fal-Request-Timeout": str(order.run_seconds),
            "X-Fal-No-Retry": "1",
            "x-app-fal-disable-fallback": "true",
            **_lifecycle(),
        }
        path = f"/{path_of(order.recipe.model)}"
        outcome, _ = self._queue.create(path, order.input(), key="request_id", headers=headers)
        return outcome

    def find(self, order: Order, *, sent_at: datetime, known_ids: frozenset[str]) -> Find:
        """See RemoteEngine. Ours is the one with our photo."""
        try:
            for item in self._listed(order.recipe, sent_at - BEFORE, sent_at + AFTER):
                if isinstance(item, Problem):
                    return Unclear(item)
                ours = mentions(item.get("json_input"), order.photo)
                if ours and known_id(item["request_id"]) and item["request_id"] not in known_ids:
                    return Accepted(item["request_id"])
        except UNREADABLE as error:
            return Unclear(strange(error))
        return Absent()

    def list_runs(
        self, recipe: Recipe, since: datetime, until: datetime
    ) -> Iterator[str | Problem]:
        """See RemoteEngine."""
        return ids_of(self._listed(recipe, since, until), "request_id", lambda item: True)

    def poll(self, run: Run) -> Poll:
        """See RemoteEngine. Two questions when it has ended: there the error or the file is."""
        answer = self._queue.get(f"{_path(run)}/status?logs=1", call="poll")
        if isinstance(answer, Failure):
            return unpolled(answer)
        return understood(lambda: self._state(run, answer.body))

    def cancel(self, run: Run) -> Unanswered | None:
        """See RemoteEngine. 400: it has ended already; 404: nobody knows it."""
        answer = self._queue.act("PUT", f"{_path(run)}/cancel", call="cancel")
        if isinstance(answer, Failure) and answer.status not in (400, 404):
            return Unanswered(answer.problem)
        return None

    def fetch(self, run: Run, file: RemoteFile, target: Path) -> Fetch:
        """See RemoteEngine."""
        return self._results.fetch(file.address, target, run.recipe.media_type, charged=Charged.YES)

    def health(self) -> Health:
        """See RemoteEngine. Only keys of administrators may read the balance."""
        answer = self._platform.get("/account/billing?expand=credits", call="health")
        if isinstance(answer, Failure):
            plain_key = answer.status == 403 and answer.problem.trouble is Trouble.AUTH
            return Health(None if plain_key else answer.problem)
        credits = answer.body.get("credits")
        account = credits if isinstance(credits, Mapping) else {}
        return with_balance(account.get("current_balance"), str(account.get("currency") or "USD"))

    def _state(self, run: Run, shown: Mapping[str, Any]) -> Poll:
        if shown["status"] == "IN_QUEUE":
            position = shown.get("queue_position")
            return Queued(position if isinstance(position, int) else None)
        if shown["status"] != "COMPLETED":
            return Running(_percent(shown.get("logs")))
        answer = self._queue.get(_path(run), call="result")
        if isinstance(answer, Failure):
            return _ended(answer)
        return read_result(answer, run.recipe)

    def _listed(
        self, recipe: Recipe, since: datetime, until: datetime
    ) -> Iterator[Mapping[str, Any] | Problem]:
        """Runs of this model in that time; a Problem where the list breaks off."""
        query = {
            "endpoint_id": recipe.model,
            "start": since.isoformat(),
            "end": until.isoformat(),
            "expand": "payloads",
            "limit": "100",
        }
        for _ in range(MAX_PAGES):
            path = f"/models/requests/by-endpoint?{urlencode(query)}"
            answer = self._platform.listed(path)
            if isinstance(answer, Problem):
                yield answer
                return
            yield from answer.body["items"]
            if not answer.body.get("has_more"):
                return
            query["cursor"] = str(answer.body["next_cursor"])
        yield Problem(Trouble.INFRASTRUCTURE, "list_too_long")


def read_result(answer: Answer, recipe: Recipe) -> Poll:
    """The file of a run that has ended well; one without a file was charged all the same."""
    units = quantity(answer.headers.get("X-Fal-Billable-Units"))
    cost = recipe.price.cost(units if recipe.price.measure == "unit" else None)
    keys = ("video", "videos") if recipe.media_type == "video" else ("image", "images")
    address = first_url(answer.body, *keys)
    if address is None:
        return Failed(Problem(Trouble.NO_RESULT, "no_output"), Charged.YES, cost)
    return Succeeded(RemoteFile(address), cost)


def _ended(failure: Failure) -> Poll:
    """What the result of a run answers instead of a file."""
    problem, status = failure.problem, failure.status
    if status == 400 and "in progress" in problem.detail:
        return Running()
    if status == 404:
        return Gone(problem)
    if status == 499:
        return Canceled(Charged.NO)
    if status is None or status in (401, 402, 403, 408, 429):
        return Unanswered(problem)  # about us or the line, not about the run
    if status >= 500:
        # Runs fail with a type; the queue itself, and what stands before it, have none.
        untyped = problem.code == f"HTTP {status}"
        return Unanswered(problem) if untyped else Failed(problem, Charged.NO)
    return Failed(problem, Charged.MAYBE)  # a runner may have worked before it refused


def _path(run: Run) -> str:
    """Owner and app only, whatever else the model's name has."""
    parts = path_of(run.recipe.model).split("/")
    kept = parts[: 3 if parts[0] in _NAMESPACES else 2]
    return f"/{'/'.join(kept)}/requests/{run.external_id}"


def _lifecycle() -> dict[str, str]:
    wish = json.dumps({"expiration_duration_seconds": FILE_SECONDS})
    return {"X-Fal-Object-Lifecycle-Preference": wish}


def _percent(logs: Any) -> int | None:
    lines = logs if isinstance(logs, list) else []
    shown = (percent(line.get("message")) for line in reversed(lines) if isinstance(line, dict))
    return next((each for each in shown if each is not None), None)


def _judge(status: int | None, code: str, words: str) -> Trouble | None:
    if status == 403 and "locked" in words:
        return Trouble.CREDIT if re.search(r"balance|top.?up", words, re.I) else Trouble.LOCK
    if status in (400, 422) and _REFUSALS.search(code):
        return Trouble.REFUSAL
    if status in (400, 422) and _INPUTS.search(code):
        return Trouble.INPUT
    return None


def _read_refusal(headers: Mapping[str, str], body: Mapping[str, Any]) -> Refusal:
    """Models answer a list of faults, the platform a sentence and an error_type."""
    detail, code = body.get("detail"), body.get("error_type") or headers.get("X-Fal-Error-Type")
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):
        code, detail = detail[0].get("type") or code, detail[0].get("msg")
    return Refusal(reason=str(code or ""), description=str(detail or body.get("status") or ""))


DIALECT = dialect(NAME, _read_refusal)
