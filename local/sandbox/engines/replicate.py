"""A simulated Replicate: predictions, files, the account.

Mount `api` at /replicate/v1; the base URL of the API is then http://127.0.0.1:<port>/replicate/v1.
"""

from __future__ import annotations

import base64
import re
import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from flask import Response, jsonify, request

from local.sandbox.clock import Clock
from local.sandbox.engines import files, outputs
from local.sandbox.engines.runs import Run
from local.sandbox.engines.sandbox import EngineSandbox, media_of
from local.sandbox.faults import Fault

TOKEN = "r8_sandbox-not-a-secret"  # noqa: S105 - public on purpose
BODY_KEYS = {"input", "version", "webhook", "webhook_events_filter", "stream"}
PAGE = 100
KEPT = timedelta(hours=1)
VIDEO_SECONDS = 5

_VERSION = re.compile(r"([\w.-]+/[\w.-]+:)?[0-9a-f]{64}|[\w.-]+/[\w.-]+")
_DEADLINE = re.compile(r"(\d+)([sm])")
_ERRORS = {
    "failed": "ValueError: something went wrong",
    "refused": "The input or output was flagged as sensitive. Please try again. (E005)",
    "infrastructure": "Prediction interrupted; please retry (code: PA)",
}
_TITLES = {
    401: "Unauthenticated",
    402: "Insufficient credit",
    403: "Forbidden",
    404: "Not found",
    422: "Input validation failed",
    429: "Too many requests",
}
_LISTING = ("live-portrait", "sdxl", "flux-schnell")  # these answer a list


class ReplicateSandbox(EngineSandbox):
    """One account."""

    def __init__(self, clock: Clock, token: str = TOKEN) -> None:
        super().__init__(
            "replicate", clock, new_id=lambda number: secrets.token_hex(13), fault=_fault
        )
        self._token = token
        self._uploads: dict[str, bytes] = {}
        self._names: dict[str, str] = {}
        self.api.before_request(self._authenticate)
        self._serve_predictions()
        self._serve_files()
        self.api.get("/account")(lambda: self.serve("health", self._account))

    def _authenticate(self) -> Response | None:
        if request.endpoint and request.endpoint.endswith(".result"):
            return None
        if request.headers.get("Authorization") == f"Bearer {self._token}":
            return None
        return _problem(401, "You did not pass a valid authentication token")

    def _account(self) -> Response:
        about = {"type": "user", "username": "sandbox", "name": "Sandbox", "github_url": None}
        return jsonify(about)

    def _serve_predictions(self) -> None:
        api = self.api

        @api.post("/models/<owner>/<name>/predictions")
        def create_of_model(owner: str, name: str) -> Response:
            return self.serve("create", lambda: self._create(f"{owner}/{name}"))

        @api.post("/deployments/<owner>/<name>/predictions")
        def create_of_deployment(owner: str, name: str) -> Response:
            return self.serve("create", lambda: self._create(f"{owner}/{name}"))

        @api.post("/predictions")
        def create_of_version() -> Response:
            return self.serve("create", lambda: self._create(None))

        @api.get("/predictions")
        def list_all() -> Response:
            return self.serve("list", self._list)

        @api.get("/predictions/<identifier>")
        def read(identifier: str) -> Response:
            return self.serve("poll", lambda: self._read(identifier))

        @api.post("/predictions/<identifier>/cancel")
        def cancel(identifier: str) -> Response:
            return self.serve("cancel", lambda: self._cancel(identifier))

    def _serve_files(self) -> None:
        api = self.api

        @api.post("/files")
        def upload() -> Response:
            return self.serve("upload", self._upload)

        @api.get("/files/<identifier>")
        def read_file(identifier: str) -> Response:
            known = identifier in self._uploads
            return jsonify(self._about(identifier)) if known else _problem(404, "No such file")

        @api.delete("/files/<identifier>")
        def delete_file(identifier: str) -> Response:
            self._uploads.pop(identifier, None)
            return Response(status=204)

        # On the real one these are on replicate.delivery, and need no token.
        @api.get("/delivery/<identifier>/output", endpoint="result")
        def result(identifier: str) -> Response:
            return self.serve("file", lambda: self._file(identifier))

    def _create(self, model: str | None) -> Response:
        posted = request.get_json(silent=True)
        if not isinstance(posted, dict) or not isinstance(posted.get("input"), dict):
            return _problem(422, "- input is required\n")
        if unknown := sorted(set(posted) - BODY_KEYS):
            return _problem(422, f"- Additional property {unknown[0]} is not allowed\n")
        if self.account == "no_credit":
            return _problem(402, "You have insufficient credit to run this model.")
        if self.account == "locked":
            return _problem(403, "Your account has been disabled.")
        version = posted.get("version")
        if model is None and (not isinstance(version, str) or not _VERSION.fullmatch(version)):
            return _problem(422, "Invalid version or not permitted")
        name = model or str(version).partition(":")[0]
        if name.startswith("nobody/"):
            return _problem(404, "The requested resource could not be found.")
        if "unknown_field" in posted["input"]:
            return _problem(422, "- input: Additional property unknown_field is not allowed\n")
        run = self.runs.add(
            model=name,
            media=media_of(name),
            input=posted["input"],
            photo=self._photo(posted["input"]),
            version=version or "hidden",
        )
        run.deadline = _deadline(run.created_at)
        answer = jsonify(self._prediction(run))
        answer.status_code = 201
        return answer

    def _photo(self, given: dict[str, Any]) -> bytes | None:
        """The photo in an input: one of our files, or inline."""
        for value in given.values():
            text = value[0] if isinstance(value, list) and value else value
            if not isinstance(text, str):
                continue
            if text.startswith("data:image/"):
                return base64.b64decode(text.partition(",")[2])
            if "/files/" in text:
                return self._uploads.get(text.rpartition("/")[2])
        return None

    def _read(self, identifier: str) -> Response:
        run = self.runs.get(identifier)
        if run is None:
            return _problem(404, "The requested resource could not be found.")
        run.polls += 1
        return jsonify(self._prediction(run))

    def _cancel(self, identifier: str) -> Response:
        run = self.runs.get(identifier)
        if run is None:
            return _problem(404, "The requested resource could not be found.")
        self.runs.cancel(run)
        return jsonify(self._prediction(run))

    def _list(self) -> Response:
        after, before = (
            datetime.fromisoformat(request.args[name]) if name in request.args else None
            for name in ("created_after", "created_before")
        )
        rows = [
            run
            for run in self.runs.newest_first()
            if (after is None or run.created_at >= after)
            and (before is None or run.created_at < before)
        ]
        start = int(request.args.get("cursor", 0))
        page, more = rows[start : start + PAGE], len(rows) > start + PAGE
        following = None
        if more:
            kept = {k: v for k, v in request.args.items() if k != "cursor"}
            query = "&".join(f"{k}={v}" for k, v in {**kept, "cursor": start + PAGE}.items())
            following = f"{self.root()}/v1/predictions?{query.replace('+', '%2B')}"
        results = [self._prediction(run) for run in page]
        return jsonify({"previous": None, "next": following, "results": results})

    def _prediction(self, run: Run) -> dict[str, Any]:
        """The prediction as the API shows it."""
        now = self.clock.now()
        status, output, error = self._state(run, now)
        done = status in ("succeeded", "failed", "canceled", "aborted")
        removed = done and now >= run.finished_at + KEPT
        address = f"{self.root()}/v1/predictions/{run.id}"
        seconds = run.script.run_seconds
        metrics = {"predict_time": seconds, "total_time": seconds + run.script.queue_seconds}
        if run.media == "video":
            metrics["video_output_duration_seconds"] = VIDEO_SECONDS
        share = run.percent(now)
        return {
            "id": run.id,
            "model": run.model,
            "version": run.about["version"],
            "input": {} if removed else run.input,
            "logs": "" if removed or status == "starting" else f"\n{share}%|##  | {share}/100",
            "output": None if removed else output,
            "data_removed": removed,
            "error": error,
            "status": status,
            "created_at": run.created_at.isoformat(),
            "started_at": None if status == "starting" else run.started_at.isoformat(),
            "completed_at": run.finished_at.isoformat() if done else None,
            "metrics": metrics if done else {},
            "urls": {"get": address, "cancel": f"{address}/cancel"},
        }

    def _state(self, run: Run, now: datetime) -> tuple[str, Any, str | None]:
        phase, script = run.phase(now), run.script
        if phase == "stopped":
            began = (run.stopped_at(now) or now) >= run.started_at
            by_deadline = run.canceled_at is None
            return "aborted" if by_deadline and not began else "canceled", None, None
        if phase != "ended":
            return "starting" if phase == "queued" else "processing", None, None
        if script.end == "weird":
            return "archiving", None, None
        if script.end == "mute":
            return "succeeded", None, None
        words = script.error or _ERRORS.get(script.end, "") or _unusable(run)
        if words:
            return "failed", None, words
        own = f"{self.root()}/v1/delivery/{run.id}/output"
        return "succeeded", _shaped(files.address(run, own), run), None

    def _upload(self) -> Response:
        file = request.files.get("content")
        if file is None:
            return _problem(422, "content is required")
        identifier = secrets.token_urlsafe(24).replace("-", "A").replace("_", "B")
        self._uploads[identifier] = file.read()
        self._names[identifier] = file.filename or "file"
        answer = jsonify(self._about(identifier))
        answer.status_code = 201
        return answer

    def _about(self, identifier: str) -> dict[str, Any]:
        now = self.clock.now()
        return {
            "id": identifier,
            "name": self._names[identifier],
            "content_type": "image/jpeg",
            "size": len(self._uploads[identifier]),
            "etag": uuid4().hex,
            "checksums": {"sha256": "", "md5": ""},
            "metadata": {},
            "created_at": now.isoformat(),
            "expires_at": (now + timedelta(hours=24)).isoformat(),
            "urls": {"get": f"{self.root()}/v1/files/{identifier}"},
        }

    def _file(self, identifier: str) -> Response:
        run = self.runs.get(identifier)
        if run is None or self.clock.now() >= run.finished_at + KEPT:
            return Response("Not found", status=404)
        return files.serve(run, run.media)


def _deadline(created_at: datetime) -> datetime | None:
    found = _DEADLINE.fullmatch(request.headers.get("Cancel-After", ""))
    if found is None:
        return None
    seconds = int(found[1]) * (60 if found[2] == "m" else 1)
    return created_at + timedelta(seconds=seconds)


def _unusable(run: Run) -> str:
    if run.photo is None or run.script.end == "input":
        return "UnidentifiedImageError: cannot identify image file"
    try:
        outputs.check(run.photo)
    except outputs.UnusablePhoto as problem:
        return f"ValueError: {problem}"
    return ""


def _shaped(url: str, run: Run) -> Any:
    listing = any(word in run.model for word in _LISTING)
    shape = run.script.shape or ("list" if listing else "text")
    return {"text": url, "list": [url], "object": {"video": url}}[shape]


def _fault(fault: Fault) -> Response:
    words = fault.description or {
        402: "You have insufficient credit to run this model.",
        429: "Request was throttled. Your rate limit resets in ~30s.",
    }.get(fault.status, "Internal server error")
    return _problem(fault.status, words, retry_after=fault.retry_after)


def _problem(status: int, detail: str, **more: Any) -> Response:
    body = {"title": _TITLES.get(status, "Error"), "detail": detail, "status": status}
    answer = jsonify(body | {key: value for key, value in more.items() if value is not None})
    answer.status_code = status
    answer.mimetype = "application/problem+json"
    return answer
