"""The product's handlers on stock connexion: its validators, its decorators, its bridge.

The contract is reduced to the measured operations, and given as OpenAPI 3.0.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any

import connexion
import flask
from connexion.resolver import Resolution, Resolver

import settings
from handlers import jobs, users, webhooks
from lab.bench.peers.openapi30 import as_openapi_30


def verify(key: str, required_scopes: Any = None) -> dict[str, Any] | None:
    """connexion's own way to check an X-API-Key."""
    known = settings.load().server_api_key
    return {"sub": "bot"} if any(hmac.compare_digest(each, key) for each in known) else None


def users_get_by_id(user_id: str) -> Any:
    return users.users_get_by_id(user_id)


def users_get_balance(user_id: str) -> Any:
    return users.users_get_balance(user_id)


def users_register_or_login(body: dict[str, Any]) -> Any:
    return users.users_register_or_login(body, flask.request.headers.get("Idempotency-Key"))


def jobs_list(user_id: str, limit: int = 20, cursor: str | None = None) -> Any:
    return jobs.jobs_list(user_id, limit, cursor)


def jobs_create(body: dict[str, Any]) -> Any:
    return jobs.jobs_create(body, flask.request.headers.get("Idempotency-Key"))


def webhook_payments(provider: str, body: dict[str, Any]) -> Any:
    headers = {name.lower(): value for name, value in flask.request.headers.items()}
    return webhooks.webhook_payments(
        provider, flask.request.get_data(), headers, flask.request.remote_addr
    )


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "usersGetById": users_get_by_id,
    "usersGetBalance": users_get_balance,
    "usersRegisterOrLogin": users_register_or_login,
    "jobsList": jobs_list,
    "jobsCreate": jobs_create,
    "webhookPayments": webhook_payments,
}


class _Table(Resolver):
    def resolve(self, operation: Any) -> Resolution:
        return Resolution(FUNCTIONS[operation.operation_id], operation.operation_id)


def _measured_contract() -> dict[str, Any]:
    contract = as_openapi_30()
    contract["paths"] = {
        path: measured
        for path, item in contract["paths"].items()
        if (measured := _measured_operations(item)).keys() - {"parameters"}
    }
    for scheme in contract["components"]["securitySchemes"].values():
        scheme["x-apikeyInfoFunc"] = "lab.bench.peers.connexion_app.verify"
    return contract


def _measured_operations(item: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in item.items()
        if key == "parameters" or value.get("operationId") in FUNCTIONS
    }


def create_app() -> connexion.FlaskApp:
    """Build the application, once in each process."""
    application = connexion.FlaskApp(__name__)
    application.add_api(
        _measured_contract(),
        base_path="",
        resolver=_Table(),
        pythonic_params=True,
        validate_responses=True,
    )
    return application


app = create_app()
