"""ComfyUI on an own GPU: a workflow, run by the server of https://github.com/comfyanonymous/ComfyUI.

It has no keys, so it stands behind a proxy that checks one header, or in a private network. No run
costs money. What has ended is remembered in memory only: a restart forgets it all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
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
    Gone,
    Health,
    NotAccepted,
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
from providers.engine.remote.recipes import MediaType, Recipe
from providers.engine.remote.results import Results
from providers.engine.remote.wire import (
    JSON,
    PATIENCE,
    UNREADABLE,
    Failure,
    Wire,
    dialect,
    photo_form,
    strange,
    understood,
    uploaded,
    without_upload,
)
from providers.fetch import Home
from providers.http import Patience, Transport

NAME = "comfyui"
CLIENT_ID = "livephoto"  # whose progress it would be, if we listened
SUFFIXES: dict[MediaType, tuple[str, ...]] = {
    "video": (".mp4", ".webm", ".mov", ".mkv"),
    "image": (".png", ".jpg", ".jpeg", ".webp"),
}


class ComfyUiEngine:
    """The server at `base_url`. header: what its proxy asks for, ("", "") without one."""

    name = NAME
    finds_by_mark = True
    # Its queue is always complete, so that one look is certain.
    pace = Pace(video=3.0, late=5.0, find_seconds=(3.0, 10.0))

    def __init__(
        self,
        base_url: str,
        header: tuple[str, str] = ("", ""),
        *,
        patience: Patience = PATIENCE,
    ) -> None:
        headers = dict([header]) if header[0] else {}
        transport = Transport(
            DIALECT, base_url, authorization=None, headers=headers, patience=patience
        )
        self._api = Wire(transport, lambda status, code, words: None)
        self._base_url = base_url.rstrip("/")
        self._results = Results((), Home(base_url, headers))

    def upload(self, attempt_id: UUID, photo: Path) -> Upload:
        """See RemoteEngine. It overwrites what a repeat has left."""
        body, kind = photo_form(
            "image", attempt_id, photo.read_bytes(), type="input", overwrite="true"
        )
        answer = self._api.act(
            "POST", "/upload/image", call="upload", body=body, headers={"Content-Type": kind}
        )
        if isinstance(answer, Failure):
            return without_upload(answer)
        folder, name = answer.body.get("subfolder"), answer.body.get("name")
        return uploaded(f"{folder}/{name}" if folder and name else name)

    def create(self, order: Order, photo: Path) -> Create:
        """See RemoteEngine. The same id twice would run twice, so here too nothing is repeated."""
        body = {
            **order.recipe.extra,
            "prompt": order.input(),
            "client_id": CLIENT_ID,
            "prompt_id": str(order.attempt_id),
        }
        outcome, answer = self._api.create("/prompt", body, key="prompt_id")
        faults = answer.body.get("node_errors") if answer else None
        if not faults:
            return outcome
        # It runs the rest of the graph, without what we want from it.
        if isinstance(outcome, Accepted):
            self.cancel(Run(order.recipe, outcome.external_id))
        return NotAccepted(Problem(Trouble.CONFIG, "node_errors", str(faults)))

    def find(self, order: Order, *, sent_at: datetime, known_ids: frozenset[str]) -> Find:
        """See RemoteEngine. Ours has the id of the attempt."""
        ours = str(order.attempt_id)
        seen = self.poll(Run(order.recipe, ours))
        if isinstance(seen, Unanswered):
            return Unclear(seen.problem)
        return Absent() if isinstance(seen, Gone) else Accepted(ours)

    def list_runs(
        self, recipe: Recipe, since: datetime, until: datetime
    ) -> Iterator[str | Problem]:
        """See RemoteEngine."""
        return iter(())

    def poll(self, run: Run) -> Poll:
        """See RemoteEngine. In three looks, since a run may end between the first two."""
        for look in (self._ended, self._waiting, self._ended):
            found = look(run)
            if found is not None:
                return found
        return Gone(Problem(Trouble.INFRASTRUCTURE, "forgotten", "in no list; a restart?"))

    def cancel(self, run: Run) -> Unanswered | None:
        """See RemoteEngine. Old servers interrupt whatever runs, so it must be ours that does."""
        queue = self._api.get("/queue", call="queue")
        if isinstance(queue, Failure):
            return Unanswered(queue.problem)
        ours = run.external_id
        try:
            if ours in _ids(queue.body["queue_pending"]):
                return self._order("/queue", "delete", f'{{"delete": ["{ours}"]}}')
            if ours in _ids(queue.body["queue_running"]):
                return self._order("/interrupt", "interrupt", f'{{"prompt_id": "{ours}"}}')
        except UNREADABLE as error:
            return Unanswered(strange(error))
        return None

    def fetch(self, run: Run, file: RemoteFile, target: Path) -> Fetch:
        """See RemoteEngine. From the server itself, with the header of its proxy."""
        url = self._base_url + file.address
        return self._results.fetch(url, target, run.recipe.media_type, charged=Charged.NO)

    def health(self) -> Health:
        """See RemoteEngine."""
        answer = self._api.get("/system_stats", call="health")
        return Health(answer.problem if isinstance(answer, Failure) else None)

    def _ended(self, run: Run) -> Poll | None:
        answer = self._api.get(f"/history/{run.external_id}", call="poll")
        if isinstance(answer, Failure):
            return Unanswered(answer.problem)
        # {} for a run that has not ended, and for one it does not know.
        if run.external_id not in answer.body:
            return None
        return understood(lambda: read_history(answer.body[run.external_id], run.recipe))

    def _waiting(self, run: Run) -> Poll | None:
        answer = self._api.get("/queue", call="queue")
        if isinstance(answer, Failure):
            return Unanswered(answer.problem)
        try:
            if run.external_id in _ids(answer.body["queue_running"]):
                return Running()
            waiting = _ids(answer.body["queue_pending"])
        except UNREADABLE as error:
            return Unanswered(strange(error))
        return Queued(waiting.index(run.external_id)) if run.external_id in waiting else None

    def _order(self, path: str, call: str, body: str) -> Unanswered | None:
        answer = self._api.act("POST", path, call=call, body=body.encode(), headers=JSON)
        return Unanswered(answer.problem) if isinstance(answer, Failure) else None


def read_history(entry: Mapping[str, Any], recipe: Recipe) -> Poll:
    """What has become of a run that has ended."""
    status = entry.get("status")
    status = status if isinstance(status, Mapping) else {}
    messages = [each for each in status.get("messages") or [] if isinstance(each, list) and each]
    if any(message[0] == "execution_interrupted" for message in messages):
        return Canceled(Charged.NO)
    if status.get("status_str") == "error":
        return Failed(_fault(messages), Charged.NO)
    address = next(_files(entry["outputs"], recipe), None)
    if address is None:
        words = f"no {recipe.media_type} from node {recipe.output or 'any'}"
        return Failed(Problem(Trouble.NO_RESULT, "no_output", words), Charged.NO)
    return Succeeded(RemoteFile(address), recipe.price.estimate())


def _fault(messages: list[list[Any]]) -> Problem:
    error = next((m[1] for m in messages if m[0] == "execution_error" and len(m) > 1), None)
    error = error if isinstance(error, Mapping) else {}
    code = str(error.get("exception_type") or "execution_error")
    words = f"node {error.get('node_id')}: {error.get('exception_message')}"
    return Problem(Trouble.INFRASTRUCTURE, code, words)


def _files(outputs: Mapping[str, Any], recipe: Recipe) -> Iterator[str]:
    """Addresses of fitting files. Nodes list videos as images or gifs too: the suffix counts."""
    wanted = [recipe.output] if recipe.output else list(outputs)
    for node in wanted:
        for listed in outputs.get(node, {}).values():
            for file in listed if isinstance(listed, list) else []:
                name = file.get("filename") if isinstance(file, Mapping) else None
                fits = isinstance(name, str) and name.lower().endswith(SUFFIXES[recipe.media_type])
                if fits and file.get("type", "output") == "output":
                    subfolder = str(file.get("subfolder") or "")
                    query = {"filename": name, "subfolder": subfolder, "type": "output"}
                    yield f"/view?{urlencode(query)}"


def _ids(entries: Any) -> list[str]:
    """Ids of a queue's entries, [number, id, ...] each, in the order of their numbers."""
    return [str(entry[1]) for entry in sorted(entries, key=lambda entry: entry[0])]


def _read_refusal(headers: Mapping[str, str], body: Mapping[str, Any]) -> Refusal:
    error = body.get("error")
    details = error if isinstance(error, Mapping) else {"message": error}
    words = f"{details.get('message') or ''} {str(body.get('node_errors') or '')[:200]}".strip()
    return Refusal(reason=str(details.get("type") or ""), description=words)


DIALECT = dialect(NAME, _read_refusal, speechless=frozenset({"delete", "interrupt"}))
