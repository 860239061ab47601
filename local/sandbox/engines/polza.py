"""A simulated Polza.ai: media, history and the balance, which falls with each success.

Mount `api` at /polza/api/v1; the base URL of the API is then
http://127.0.0.1:<port>/polza/api/v1.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from decimal import Decimal
from typing import Any

from flask import Response, jsonify, request

from local.sandbox.clock import Clock
from local.sandbox.engines import files, outputs
from local.sandbox.engines.runs import Run
from local.sandbox.engines.sandbox import EngineSandbox, media_of
from local.sandbox.faults import Fault

KEY = "pza_sandbox-not-a-secret"
FIRST_ID = 10**17
COST_RUB = {"video": Decimal("31.5"), "image": Decimal("5.2")}
BODY_KEYS = {"model", "input", "async", "user", "provider", "callBackUrl"}
_ERRORS = {
    "failed": ("BAD_REQUEST", "Неверные параметры генерации"),
    "refused": ("FORBIDDEN", "Контент не прошёл модерацию"),
    "input": ("BAD_REQUEST", "Не удалось прочитать изображение"),
    "infrastructure": ("BAD_GATEWAY", "Провайдер временно недоступен"),
}


class PolzaSandbox(EngineSandbox):
    """One account."""

    def __init__(self, clock: Clock, key: str = KEY) -> None:
        # Our tables outlive a sandbox, so that no id may come again in the next one.
        first = FIRST_ID + secrets.randbelow(FIRST_ID)
        super().__init__(
            "polza", clock, new_id=lambda number: f"gen_{first + number}", fault=_fault
        )
        self._key = key
        self._paid: set[str] = set()
        self.api.before_request(self._authenticate)
        self._serve_api()

    def _authenticate(self) -> Response | None:
        if request.endpoint and request.endpoint.endswith(".result"):
            return None
        if request.headers.get("Authorization") == f"Bearer {self._key}":
            return None
        return _error(401, "UNAUTHORIZED", "Неверный API-ключ")

    def _serve_api(self) -> None:
        api = self.api

        @api.post("/media")
        def create() -> Response:
            return self.serve("create", self._create)

        @api.get("/media/<identifier>")
        def read(identifier: str) -> Response:
            return self.serve("poll", lambda: self._read(identifier))

        @api.get("/history/generations")
        def history() -> Response:
            return self.serve("list", self._history)

        @api.get("/balance")
        def balance() -> Response:
            return self.serve("health", self._balance)

        # On the real one these are on its CDN, and need no key.
        @api.get("/delivery/<identifier>/output", endpoint="result")
        def result(identifier: str) -> Response:
            run = self.runs.get(identifier)
            missing = Response("Not found", status=404)
            return self.serve("file", lambda: files.serve(run, run.media) if run else missing)

    def _create(self) -> Response:
        posted = request.get_json(silent=True)
        if not isinstance(posted, dict) or not isinstance(posted.get("input"), dict):
            return _error(400, "BAD_REQUEST", "input обязателен")
        if self.account == "no_credit" or self.balance <= 0:
            return _error(402, "PAYMENT_REQUIRED", "Недостаточно средств на балансе")
        if self.account == "locked":
            return _error(403, "FORBIDDEN", "Доступ запрещён")
        model, given = str(posted.get("model", "")), posted["input"]
        if model.startswith("nobody/"):
            return _error(404, "NOT_FOUND", "Модель не найдена")
        if not given.get("prompt") or set(posted) - BODY_KEYS:
            return _error(400, "BAD_REQUEST", "prompt обязателен")
        run = self.runs.add(
            model=model,
            media=media_of(model),
            input={key: value for key, value in given.items() if key != "images"},
            photo=_photo(given),
            user=posted.get("user"),
            asynchronous=bool(posted.get("async")),
        )
        return jsonify(self._head(run, "pending"))

    def _read(self, identifier: str) -> Response:
        run = self.runs.get(identifier)
        if run is None:
            return _error(404, "NOT_FOUND", "Генерация не найдена")
        run.polls += 1
        return jsonify(self._generation(run))

    def _head(self, run: Run, status: str) -> dict[str, Any]:
        return {
            "id": run.id,
            "object": "media.generation",
            "status": status,
            "created": int(run.created_at.timestamp()),
            "model": run.model,
        }

    def _generation(self, run: Run) -> dict[str, Any]:
        """The generation as the API shows it."""
        open_statuses = {"queued": "pending", "running": "processing"}
        generation = self._head(run, open_statuses.get(run.phase(self.clock.now()), "completed"))
        if generation["status"] != "completed":
            return generation
        if run.script.end == "weird":
            return generation | {"status": "archiving"}
        error = _fault_of(run)
        if error is not None:
            code, words = error
            return generation | {"status": "failed", "error": {"code": code, "message": words}}
        cost = COST_RUB[run.media]
        with self.runs.lock:
            if run.id not in self._paid:
                self._paid.add(run.id)
                self.balance -= cost
        generation["usage"] = {"cost_rub": float(cost)}
        if run.script.end == "mute":
            return generation | {"data": None}
        own = f"{self.root()}/api/v1/delivery/{run.id}/output"
        file = {"url": files.address(run, own)}
        alone = run.script.shape == "object" or (not run.script.shape and run.media == "video")
        return generation | {"data": file if alone else [file]}

    def _history(self) -> Response:
        args = request.args
        page, limit = int(args.get("page", 1)), min(int(args.get("limit", 20)), 100)
        rows = [
            run
            for run in self.runs.newest_first()
            if args.get("dateFrom", "") <= run.created_at.date().isoformat()
            and run.created_at.date().isoformat() <= args.get("dateTo", "9999")
            and args.get("requestType", run.media) == run.media
        ]
        now = self.clock.now()
        items = [
            {
                "id": run.id,
                "model": run.model,
                "requestType": run.media,
                "status": "completed" if run.phase(now) == "ended" else "processing",
                "cost": str(COST_RUB[run.media]),
                "createdAt": run.created_at.isoformat().replace("+00:00", "Z"),
            }
            for run in rows[(page - 1) * limit : page * limit]
        ]
        return jsonify({"items": items, "meta": {"page": page, "limit": limit}})

    def _balance(self) -> Response:
        amount = Decimal(0) if self.account == "no_credit" else self.balance
        return jsonify({"amount": str(amount)})


def _photo(given: dict[str, Any]) -> bytes | None:
    images = given.get("images") or [{}]
    try:
        return base64.b64decode(images[0].get("data", ""), validate=True) or None
    except (binascii.Error, AttributeError):
        return None


def _fault_of(run: Run) -> tuple[str, str] | None:
    if run.script.end in _ERRORS:
        code, words = _ERRORS[run.script.end]
        return code, run.script.error or words
    if run.photo is None:
        return _ERRORS["input"]
    try:
        outputs.check(run.photo)
    except outputs.UnusablePhoto as problem:
        return "BAD_REQUEST", str(problem)
    return None


def _fault(fault: Fault) -> Response:
    answer = _error(fault.status, "ERROR", fault.description or "Ошибка сервера")
    if fault.retry_after is not None:
        answer.headers["Retry-After"] = str(round(fault.retry_after))
    return answer


def _error(status: int, code: str, words: str) -> Response:
    answer = jsonify({"error": {"code": code, "message": words}})
    answer.status_code = status
    return answer
