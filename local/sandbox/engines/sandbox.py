"""What the four simulated engines have in common: runs, faults, an account, counters, controls."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from decimal import Decimal
from typing import Any

from flask import Blueprint, Response, jsonify, request

from local.sandbox.clock import Clock
from local.sandbox.control import body, refuse_invalid_requests, serve_faults
from local.sandbox.engines import outputs
from local.sandbox.engines.runs import Media, Run, Runs, Script
from local.sandbox.faults import Fault, Faults

# no_credit: there is no money left. locked: closed by the provider's own people.
ACCOUNTS = ("good", "no_credit", "locked")
BALANCE = Decimal("1000.00")

# What these models make are pictures; everything else makes videos.
_IMAGES = re.compile(
    r"restor|gfpgan|codeformer|esrgan|banana|ddcolor|seedvr|flash-image|image-edit"
)


class EngineSandbox:
    """One account at one engine. `api` and `control` are blueprints, see the package."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        new_id: Callable[[int], str],
        fault: Callable[[Fault], Response],
    ) -> None:
        self.name = name
        self.clock = clock
        self.runs = Runs(clock, new_id)
        self.faults = Faults(fault)
        self.account = "good"
        self.balance = BALANCE
        self.calls: Counter[str] = Counter()
        self.headers: dict[str, dict[str, str]] = {}
        self.api = Blueprint(name, __name__)
        self.control = Blueprint(f"{name}_control", __name__)
        self._serve_control()

    def serve(self, call: str, answer: Callable[[], Response]) -> Response:
        """Count a call and answer it, or do what the faults say."""
        # A call counts once its whole body has come: a caller killed while sending ordered nothing.
        request.get_data()
        self.calls[call] += 1
        self.headers[call] = dict(request.headers)
        return self.faults.serve(call, answer)

    def root(self) -> str:
        """Where this engine's own addresses begin, as its callers see it."""
        return f"{request.url_root.rstrip('/')}/{self.name}"

    def counters(self) -> dict[str, Any]:
        """Calls by name, polls by run, and the headers of the last call of each name."""
        runs = self.runs.newest_first()
        return {
            "calls": dict(self.calls),
            "creates": len(runs),
            "polls": {run.id: run.polls for run in runs},
            "headers": self.headers,
        }

    def forget(self) -> None:
        """Restart: nothing is left of the runs where they are kept in memory only."""

    def _serve_control(self) -> None:
        control = self.control
        refuse_invalid_requests(control)
        serve_faults(control, self.faults)

        @control.post("/scripts")
        def add_script() -> Response:
            script = Script(**body())
            self.runs.scripts.append(script)
            return jsonify(asdict(script))

        @control.put("/scripts/default")
        def change_default() -> Response:
            self.runs.default = replace(self.runs.default, **body())
            return jsonify(asdict(self.runs.default))

        @control.put("/account")
        def change_account() -> Response:
            wanted = body()
            state = wanted.get("state", self.account)
            if state not in ACCOUNTS:
                raise ValueError(f"state must be one of {', '.join(ACCOUNTS)}")
            self.account = state
            self.balance = Decimal(str(wanted.get("balance", self.balance)))
            return jsonify({"state": self.account, "balance": str(self.balance)})

        @control.get("/counters")
        def show_counters() -> Response:
            return jsonify(self.counters())

        @control.get("/runs")
        def list_runs() -> Response:
            return jsonify([_shown(run) for run in self.runs.newest_first()])

        @control.post("/restart")
        def restart() -> Response:
            self.forget()
            return jsonify({})


def media_of(model: str) -> Media:
    """What a model makes, by its name."""
    return "image" if _IMAGES.search(model) else "video"


def _shown(run: Run) -> dict[str, Any]:
    """A run as the controls tell it, with what the model could see of the photo."""
    photo: dict[str, object] | None = None
    if run.photo is not None:
        try:
            photo = outputs.check(run.photo)
        except outputs.UnusablePhoto as problem:
            photo = {"unusable": problem.code}
    shown = {key: value for key, value in run.input.items() if len(str(value)) < 1000}
    return {
        "id": run.id,
        "model": run.model,
        "input": shown,
        "photo": photo,
        "polls": run.polls,
        "canceled": run.canceled_at is not None,
        "about": run.about,
    }
