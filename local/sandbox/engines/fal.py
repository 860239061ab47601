"""A simulated fal.ai: its queue, and below the same address the hosts that are apart in truth.

Mount `api` at /fal; the base URL of the queue is then http://127.0.0.1:<port>/fal, with /rest for
upload tokens, /cdn for files and /platform for the account.
"""

from __future__ import annotations

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

KEY = "sandbox:not-a-secret"
LOCKED = {
    "no_credit": "User is locked. Reason: Exhausted balance. "
    "Top up your balance at fal.ai/dashboard/billing.",
    "locked": "User is locked. Reason: Admin lock. Please contact support@fal.ai.",
}
TOKEN_LIFE = timedelta(hours=1)
_OPEN = ("/cdn/files/", "/delivery/")
# end: (status, type, words) of a run that failed.
_ERRORS = {
    "failed": (422, "value_error", "Something went wrong"),
    "refused": (422, "content_policy_violation", "The content violates a policy"),
    "input": (422, "image_load_error", "Could not open image"),
    "infrastructure": (500, "internal_server_error", "Internal server error"),
}


class FalSandbox(EngineSandbox):
    """One account."""

    def __init__(self, clock: Clock, key: str = KEY) -> None:
        super().__init__("fal", clock, new_id=lambda number: str(uuid4()), fault=_fault)
        self._key = key
        self._uploads: dict[str, bytes] = {}
        self._tokens: set[str] = set()
        self.admin_key = True
        self.api.before_request(self._authenticate)
        self._serve_queue()
        self._serve_storage()
        self._serve_platform()

    def _authenticate(self) -> Response | None:
        path = request.path.partition("/fal")[2]
        if path == "/cdn/files/upload":
            given = request.headers.get("Authorization", "").partition("Bearer ")[2]
            return None if given in self._tokens else _detail(401, "Invalid token")
        if path.startswith(_OPEN) or request.headers.get("Authorization") == f"Key {self._key}":
            return None
        return _detail(401, "Cannot access application. Authentication is required.")

    def _serve_queue(self) -> None:
        api, run_path = self.api, "/<owner>/<app>/requests/<identifier>"

        @api.post("/<path:model>")
        def submit(model: str) -> Response:
            return self.serve("create", lambda: self._submit(model))

        @api.get(f"{run_path}/status")
        def status(owner: str, app: str, identifier: str) -> Response:
            return self.serve("poll", lambda: self._status(f"{owner}/{app}", identifier))

        @api.get(run_path)
        def read_result(owner: str, app: str, identifier: str) -> Response:
            return self.serve("result", lambda: self._result(f"{owner}/{app}", identifier))

        @api.put(f"{run_path}/cancel")
        def cancel(owner: str, app: str, identifier: str) -> Response:
            return self.serve("cancel", lambda: self._cancel(f"{owner}/{app}", identifier))

    def _serve_storage(self) -> None:
        api = self.api

        @api.post("/rest/storage/auth/token")
        def token() -> Response:
            return self.serve("token", self._token)

        @api.post("/cdn/files/upload")
        def upload() -> Response:
            return self.serve("upload", self._upload)

        @api.get("/cdn/files/<identifier>/<name>")
        def read_upload(identifier: str, name: str) -> Response:
            return Response(self._uploads.get(identifier, b""), mimetype="image/jpeg")

        # On the real one these are on v3b.fal.media, and need no key.
        @api.get("/delivery/<identifier>/output")
        def result(identifier: str) -> Response:
            run = self.runs.get(identifier)
            missing = Response("Not found", status=404)
            return self.serve("file", lambda: files.serve(run, run.media) if run else missing)

    def _serve_platform(self) -> None:
        api = self.api

        @api.get("/platform/models/requests/by-endpoint")
        def listed() -> Response:
            return self.serve("list", self._list)

        @api.get("/platform/account/billing")
        def billing() -> Response:
            return self.serve("health", self._billing)

    def _submit(self, model: str) -> Response:
        given = request.get_json(silent=True)
        if self.account != "good":
            return _detail(403, LOCKED[self.account])
        if not isinstance(given, dict):
            return _detail(422, "Input should be a valid dictionary")
        if model.startswith("nobody/"):
            return _detail(404, f"Application '{model}' not found")
        run = self.runs.add(
            model=model,
            media=media_of(model),
            input=given,
            photo=self._photo(given),
            headers={k: v for k, v in request.headers.items() if k.lower().startswith("x-")},
        )
        address = self._address(run)
        return jsonify(
            {
                "status": "IN_QUEUE",
                "request_id": run.id,
                "response_url": address,
                "status_url": f"{address}/status",
                "cancel_url": f"{address}/cancel",
                "queue_position": 0,
            }
        )

    def _address(self, run: Run) -> str:
        owner_and_app = "/".join(run.model.split("/")[:2])
        return f"{self.root()}/{owner_and_app}/requests/{run.id}"

    def _photo(self, given: dict[str, Any]) -> bytes | None:
        for value in given.values():
            text = value[0] if isinstance(value, list) and value else value
            if isinstance(text, str) and "/cdn/files/" in text:
                return self._uploads.get(text.split("/")[-2])
        return None

    def _found(self, app: str, identifier: str) -> Run | None:
        run = self.runs.get(identifier)
        return run if run is not None and run.model.startswith(f"{app}") else None

    def _status(self, app: str, identifier: str) -> Response:
        run = self._found(app, identifier)
        if run is None:
            return _not_found()
        run.polls += 1
        now, address = self.clock.now(), self._address(run)
        phase = run.phase(now)
        shown: dict[str, Any] = {"request_id": run.id, "response_url": address}
        logs = None
        if request.args.get("logs", "").lower() in ("1", "true"):
            line = {"message": f"{run.percent(now)}%|##  | {run.percent(now)}/100"}
            logs = [line | {"timestamp": now.isoformat(), "level": "INFO"}]
        if phase == "queued":
            shown |= {"status": "IN_QUEUE", "queue_position": 1}
        elif phase == "running":
            shown |= {"status": "IN_PROGRESS", "logs": logs}
        elif run.script.end == "weird":
            shown |= {"status": "ARCHIVING"}
        else:
            seconds = {"inference_time": run.script.run_seconds}
            shown |= {"status": "COMPLETED", "logs": logs, "metrics": seconds}
            if fault := self._fault_of(run):
                shown |= {"error": fault[2], "error_type": fault[1]}
        answer = jsonify(shown)
        answer.status_code = 200 if shown["status"] == "COMPLETED" else 202
        return answer

    def _result(self, app: str, identifier: str) -> Response:
        run = self._found(app, identifier)
        if run is None:
            return _not_found()
        if run.phase(self.clock.now()) in ("queued", "running"):
            return _detail(400, "Request is still in progress")
        if fault := self._fault_of(run):
            status, kind, words = fault
            where = {"loc": ["body", "image_url"], "msg": words, "type": kind, "ctx": {}}
            answer = _detail(status, words if status >= 499 else [where])
            answer.headers["X-Fal-Error-Type"] = kind
            return answer
        own = f"{self.root()}/delivery/{run.id}/output"
        file = {"url": files.address(run, own), "content_type": "application/octet-stream"}
        output: dict[str, Any] = {"video": file} if run.media == "video" else {"images": [file]}
        answer = jsonify({"seed": 1} | ({} if run.script.end == "mute" else output))
        answer.headers["X-Fal-Billable-Units"] = "5"
        return answer

    def _fault_of(self, run: Run) -> tuple[int, str, str] | None:
        if run.phase(self.clock.now()) == "stopped":
            return 499, "client_cancelled", "Request was cancelled"
        if run.script.end in _ERRORS:
            status, kind, words = _ERRORS[run.script.end]
            return status, kind, run.script.error or words
        if run.photo is None:
            return 422, "file_download_error", "Could not download the image"
        try:
            outputs.check(run.photo)
        except outputs.UnusablePhoto as problem:
            return 422, problem.code, str(problem)
        return None

    def _cancel(self, app: str, identifier: str) -> Response:
        run = self._found(app, identifier)
        if run is None:
            return _not_found()
        if run.phase(self.clock.now()) == "ended":
            answer = jsonify({"status": "ALREADY_COMPLETED"})
            answer.status_code = 400
            return answer
        self.runs.cancel(run)
        answer = jsonify({"status": "CANCELLATION_REQUESTED"})
        answer.status_code = 202
        return answer

    def _token(self) -> Response:
        token = secrets.token_urlsafe(16)
        self._tokens.add(token)
        return jsonify(
            {
                "token": token,
                "token_type": "Bearer",
                "base_url": f"{self.root()}/cdn",
                "expires_at": (self.clock.now() + TOKEN_LIFE).isoformat(),
            }
        )

    def _upload(self) -> Response:
        identifier = secrets.token_hex(10)
        self._uploads[identifier] = request.get_data()
        name = request.headers.get("X-Fal-File-Name", "upload.bin")
        return jsonify({"access_url": f"{self.root()}/cdn/files/{identifier}/{name}"})

    def _list(self) -> Response:
        if not self.admin_key:
            return _detail(403, "An admin key is needed")
        start, end = (datetime.fromisoformat(request.args[name]) for name in ("start", "end"))
        limit, first = int(request.args.get("limit", 50)), int(request.args.get("cursor", 0))
        rows = [
            run
            for run in self.runs.newest_first()
            if run.model == request.args["endpoint_id"]
            and start <= run.created_at <= end
            and run.phase(self.clock.now()) != "queued"  # who waits is not listed
        ]
        page, more = rows[first : first + limit], len(rows) > first + limit
        items = [
            {
                "request_id": run.id,
                "endpoint_id": run.model,
                "sent_at": run.created_at.isoformat(),
                "started_at": run.started_at.isoformat(),
                "json_input": run.input,
            }
            for run in page
        ]
        cursor = str(first + limit) if more else None
        return jsonify({"items": items, "next_cursor": cursor, "has_more": more})

    def _billing(self) -> Response:
        if self.account == "locked":
            return _detail(403, LOCKED["locked"])
        if not self.admin_key:
            return _detail(403, "An admin key is needed")
        balance = 0.0 if self.account == "no_credit" else float(self.balance)
        credits = {"current_balance": balance, "currency": "USD"}
        return jsonify({"username": "sandbox", "credits": credits})


def _fault(fault: Fault) -> Response:
    answer = _detail(fault.status, fault.description or "Internal server error")
    if fault.retry_after is not None:
        answer.headers["Retry-After"] = str(round(fault.retry_after))
    return answer


def _not_found() -> Response:
    answer = jsonify({"status": "NOT_FOUND"})
    answer.status_code = 404
    return answer


def _detail(status: int, detail: Any) -> Response:
    answer = jsonify({"detail": detail})
    answer.status_code = status
    return answer
