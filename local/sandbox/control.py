"""What the control endpoints of all JSON providers share: JSON in, JSON out, 400 on mistakes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, abort, jsonify, request

from local.sandbox.faults import Faults
from local.sandbox.webhooks import Sender


def body() -> dict[str, Any]:
    """The JSON object posted, {} without a body."""
    posted = request.get_json(silent=True) if request.data else {}
    if not isinstance(posted, dict):
        abort(400, "a JSON object is needed")
    return posted


def refuse_invalid_requests(control: Blueprint) -> None:
    """Answer 400 where a field or value is unknown, so that a typo is noticed."""

    def bad_request(mistake: Exception) -> tuple[Response, int]:
        return jsonify({"error": f"{type(mistake).__name__}: {mistake}"}), 400

    for kind in (TypeError, ValueError, KeyError):
        control.register_error_handler(kind, bad_request)


def serve_faults(control: Blueprint, faults: Faults) -> None:
    """Endpoints for faults of the API."""

    @control.post("/faults")
    def add_fault() -> Response:
        return jsonify(asdict(faults.add(**body())))

    @control.get("/faults")
    def show_faults() -> Response:
        return jsonify(faults.state())

    @control.delete("/faults")
    def clear_faults() -> Response:
        faults.clear()
        return jsonify({})


def serve_faults_and_events(control: Blueprint, faults: Faults, sender: Sender) -> None:
    """Endpoints for faults of the API, delivery of notifications, and the list of sent events."""
    serve_faults(control, faults)

    @control.put("/webhook")
    def change_delivery() -> Response:
        return jsonify(asdict(sender.configure(**body())) | {"url": sender.url})

    @control.get("/events")
    def list_events() -> Response:
        return jsonify([delivery.as_dict() for delivery in list(sender.history)])

    @control.post("/events/<int:number>/redeliver")
    def redeliver(number: int) -> Response:
        if not sender.redeliver(number):
            abort(404)
        return jsonify({"redelivered": number})
