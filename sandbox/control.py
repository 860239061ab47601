"""What the control endpoints of every JSON provider share: JSON in, JSON out, loud on mistakes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, abort, jsonify, request

from sandbox.faults import Faults
from sandbox.webhooks import Sender


def body() -> dict[str, Any]:
    """The JSON object posted, {} without a body."""
    posted = request.get_json(silent=True) if request.data else {}
    if not isinstance(posted, dict):
        abort(400, "a JSON object is needed")
    return posted


def refuse_mistakes(control: Blueprint) -> None:
    """Answer 400 where a field or value is unknown, so that a typing error shows."""

    def mistaken(mistake: Exception) -> tuple[Response, int]:
        return jsonify({"error": f"{type(mistake).__name__}: {mistake}"}), 400

    for kind in (TypeError, ValueError, KeyError):
        control.register_error_handler(kind, mistaken)


def serve_trouble(control: Blueprint, faults: Faults, sender: Sender) -> None:
    """Faults of the API, pace of the notifications, and a look at what has been sent."""

    @control.post("/faults")
    def add_fault() -> Response:
        return jsonify(asdict(faults.add(**body())))

    @control.delete("/faults")
    def clear_faults() -> Response:
        faults.clear()
        return jsonify({})

    @control.put("/webhook")
    def turn_webhook() -> Response:
        return jsonify(asdict(sender.turn(**body())) | {"url": sender.url})

    @control.get("/events")
    def list_events() -> Response:
        return jsonify([delivery.as_dict() for delivery in list(sender.history)])

    @control.post("/events/<int:number>/redeliver")
    def redeliver(number: int) -> Response:
        if not sender.redeliver(number):
            abort(404)
        return jsonify({"redelivered": number})
