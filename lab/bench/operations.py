"""The measured operations as the bytes of HTTP requests."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab.bench import world
from local.sandbox.clock import Clock
from local.sandbox.stripe.signing import Signer

API_KEY = "bench-key-0123456789abcdef0123456789abcdef"
STRIPE_SECRET = "whsec_bench_0123456789abcdef0123456789"

Requests = Callable[[int, str], list[bytes]]


@dataclass(frozen=True)
class Operation:
    """One operation of the contract; `requests(count, batch)` builds the requests.

    `once`: a request must not be sent twice. `writes`: it runs in a transaction.
    """

    name: str
    requests: Requests
    writes: bool = False
    once: bool = False


def _request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    lines = [f"{method} /api/v1/{path} HTTP/1.1", "Host: 127.0.0.1", "Accept: */*"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _authorized(method: str, path: str, body: Any = None) -> bytes:
    raw = b"" if body is None else json.dumps(body).encode()
    return _request(method, path, raw, X_API_Key=API_KEY)


def _get_user(count: int, _: str) -> list[bytes]:
    ids = [world.identifier(f"user-{n}") for n in range(world.USERS)]
    return [_authorized("GET", f"users/{each}") for each in ids]


def _get_balance(count: int, _: str) -> list[bytes]:
    ids = [world.identifier(f"user-{n}") for n in range(world.USERS)]
    return [_authorized("GET", f"users/{each}/balance") for each in ids]


def _log_in(count: int, _: str) -> list[bytes]:
    return [
        _authorized(
            "POST",
            "users/register-or-login",
            {"telegramId": str(9_000_000 + n), "username": f"user_{n}"},
        )
        for n in range(world.USERS)
    ]


def _list_jobs(count: int, _: str) -> list[bytes]:
    user = world.identifier("user-0")
    return [_authorized("GET", f"jobs?userId={user}&limit={world.PAGE}")]


def _create_job(count: int, _: str) -> list[bytes]:
    return [
        _authorized(
            "POST",
            "jobs",
            {
                "userId": str(world.identifier(f"user-{n}")),
                "serviceType": "restore",
                "description": "Пусть бабушка улыбнётся",
                "input": [{"type": "image", "dataId": str(world.identifier(f"photo-{n}"))}],
            },
        )
        for n in range(1, world.USERS)
    ]


def _pay(count: int, batch: str) -> list[bytes]:
    signer = Signer(Clock(), [STRIPE_SECRET])
    requests = []
    for number in range(1, count + 1):
        body = json.dumps(paid_event(batch, number)).encode()
        headers = {name.replace("-", "_"): text for name, text in signer.headers(body).items()}
        requests.append(_request("POST", "webhooks/payments/stripe", body, **headers))
    return requests


def paid_event(batch: str, number: int) -> dict[str, Any]:
    """Stripe's event for a paid session, with the fields that matter here."""
    payment_id = str(world.identifier(f"{batch}-{number}"))
    session = {
        "id": f"cs_{batch}_{number}",
        "object": "checkout.session",
        "amount_subtotal": world.PAID_RUB * 100,
        "amount_total": world.PAID_RUB * 100,
        "client_reference_id": payment_id,
        "created": 1_790_000_000,
        "currency": "rub",
        "expires_at": 1_790_086_400,
        "livemode": False,
        "metadata": {"payment_id": payment_id},
        "mode": "payment",
        "payment_intent": f"pi_{batch}_{number}",
        "payment_method_types": ["card"],
        "payment_status": "paid",
        "status": "complete",
        "success_url": "https://example.com/",
    }
    return {
        "id": f"evt_{batch}_{number}",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": 1_790_000_100,
        "data": {"object": session},
        "livemode": False,
        "pending_webhooks": 1,
        "type": "checkout.session.completed",
    }


OPERATIONS = (
    Operation("usersGetById", _get_user),
    Operation("usersGetBalance", _get_balance),
    Operation("usersRegisterOrLogin", _log_in),  # a known user with no changes: a read
    Operation("jobsList", _list_jobs),
    Operation("jobsCreate", _create_job, writes=True),
    Operation("webhookPayments", _pay, writes=True, once=True),
)
