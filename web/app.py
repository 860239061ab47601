"""The ASGI application: gunicorn calls create_app() in each worker process."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from connexion.datastructures import MediaTypeDict
from connexion.middleware.context import ContextMiddleware
from connexion.middleware.exceptions import ExceptionMiddleware
from connexion.middleware.lifespan import LifespanMiddleware
from connexion.middleware.security import SecurityMiddleware
from starlette.types import ASGIApp

import settings as environment
from db import session
from providers import instances
from providers.storage.disk import STORAGE_PATH, DiskStorage
from services import media
from settings import PROBE_THREADS, QUICK_THREADS, WEBHOOK_THREADS, Settings
from spec import CONTRACT, functions
from spec.functions import ContractError, Function, FunctionResolver
from spec.operations import JSON, MULTIPART, Operation, operations_of
from spec.responses import ResponseValidators
from web import problems, rate_limits
from web.application import ContractApp
from web.bodies import JsonBody
from web.documents import Documents
from web.envelope import Envelope
from web.files import files_app
from web.forms import FormBody
from web.lanes import Lane, NoLane
from web.parameters import Parameters
from web.rate_limits import RateLimit
from web.routing import ApiPrefix, ContractRouting
from web.security import ApiKeyCheck
from web.validation import ContractValidation

# Operations with these tags call external systems, which may hang: they must not hold up others.
OUTWARD_TAGS = ("Data", "Payments", "Reviews", "Subscriptions")
# Nor must they hold up news about money, or a question that Telegram wants answered in 10 seconds.
WEBHOOKS_TAG = "Webhooks"
# Waits for the database, at most PROBE_THREADS at a time.
PROBES_TAG = "Ops"
# A server whose threads are all waiting is alive, and must be able to say so.
LIVE = "healthLive"


def create_app(
    settings: Settings | None = None, operations: Mapping[str, Function] | None = None
) -> ContractApp:
    """The application, with every validator built; ContractError names all gaps at once.

    operations: functions by snake_case operationId instead of those in `handlers`, for tests.
    """
    settings = settings or environment.load()
    described = operations_of(CONTRACT)
    responses = ResponseValidators(strict=settings.environment == "test")
    app = ContractApp(
        __name__,
        responses=responses,
        lanes=_lanes(described, settings),
        middlewares=_middlewares(settings, _mounts(settings)),
        resolver=FunctionResolver(_functions(described, operations)),
        security_map={"apiKey": partial(ApiKeyCheck, settings.server_api_key)},
        validator_map={
            "parameter": Parameters,
            "body": MediaTypeDict(
                {JSON: JsonBody, MULTIPART: partial(FormBody, limits=media.UPLOAD_LIMITS)}
            ),
        },
    )
    problems.register(app, responses)
    app.serve(CONTRACT)
    return app


def _functions(
    described: tuple[Operation, ...], table: Mapping[str, Function] | None
) -> Mapping[str, Function]:
    if table is None:
        # Without a database there is nothing to serve: this says so, and how to get one.
        session.engine()
        return functions.load(described)
    if gaps := functions.check(described, table):
        raise ContractError(gaps)
    return table


def _lanes(described: tuple[Operation, ...], settings: Settings) -> dict[str, Lane | NoLane]:
    quick = Lane("quick", QUICK_THREADS)
    lanes = dict.fromkeys(OUTWARD_TAGS, Lane("outward", settings.server_threads))
    lanes[WEBHOOKS_TAG] = Lane("webhook", WEBHOOK_THREADS)
    lanes[PROBES_TAG] = Lane("probe", PROBE_THREADS)
    by_operation = {each.operation_id: lanes.get(each.tag, quick) for each in described}
    return {**by_operation, LIVE: NoLane()}


def _middlewares(settings: Settings, mounts: Mapping[str, ASGIApp]) -> list[Any]:
    """connexion's stack, outermost first.

    ServerErrorMiddleware is left out because Envelope does its work, SwaggerUIMiddleware because
    Documents does, ResponseValidationMiddleware because responses are checked before they are
    serialized and because it never sees refusals.
    """
    return [
        Envelope,
        ExceptionMiddleware,
        partial(ApiPrefix, roots=["/api/v1/", *(f"{prefix}/" for prefix in mounts)]),
        partial(Documents, contract=CONTRACT, mounts=mounts),
        ContractRouting,
        SecurityMiddleware,
        *_limit(settings.rate_limit_per_key, rate_limits.by_key),
        ContractValidation,
        *_limit(settings.rate_limit_per_user, rate_limits.by_user),
        LifespanMiddleware,
        ContextMiddleware,
    ]


def _limit(requests: int, identify: rate_limits.Identify) -> list[Any]:
    """No layer at all if there is no limit."""
    if not requests:
        return []
    return [partial(RateLimit, limit=rate_limits.per_minute(requests), identify=identify)]


def _mounts(settings: Settings) -> dict[str, ASGIApp]:
    """Files kept on this machine are served by it; a bucket serves its own."""
    if settings.s3_bucket:
        return {}
    return {STORAGE_PATH: files_app(cast(DiskStorage, instances.storage()))}
