"""The ASGI application: gunicorn calls create_app() once, before it forks its processes.

So nothing may be connected or running when it returns: each process begins with its lifespan.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

from connexion.middleware import ConnexionMiddleware
from connexion.middleware.exceptions import ExceptionMiddleware
from connexion.middleware.lifespan import LifespanMiddleware
from connexion.middleware.security import SecurityMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

import settings as environment
from db import connections
from errors import ApiError
from handlers import ops
from providers import registry
from providers.storage.disk import STORAGE_PATH, DiskStorage
from services import erased_accounts, media
from settings import (
    LIMIT_THREADS,
    PROBE_THREADS,
    QUICK_THREADS,
    READ_THREADS,
    WEBHOOK_THREADS,
    Settings,
)
from spec import CONTRACT, functions
from spec.functions import ContractError, Function, FunctionResolver
from spec.operations import JSON, MULTIPART, Operation, operations_of
from spec.outline import outline
from spec.responses import ResponseValidators
from telemetry import error_reports, tracing
from web import lanes, problems, rate_limits, shared_limits
from web.bodies import JsonBody
from web.documents import Documents
from web.envelope import Envelope, Traffic
from web.files import files_app
from web.forms import FormBody
from web.lanes import Lane, NoLane
from web.rate_limits import RateLimit
from web.routing import ApiPrefix, ContractRouting
from web.scrapes import Scrapes, measure_levels
from web.security import ApiKeyCheck
from web.traces import Traces
from web.validation import Validation
from web.views import Views
from web.waiting import Waiting
from workflows import feed

# Operations with these tags call external systems, which may hang: they must not hold up others.
OUTWARD_TAGS = ("Data", "Payments", "Reviews", "Subscriptions")
# Nor must they hold up news about money, or a question that Telegram wants answered in 10 seconds.
WEBHOOKS_TAG = "Webhooks"
# What only reads waits for no COMMIT: a synchronous standby that is away must not hold it up. These
# write, too: whoever reads events confirms those before.
WRITING_GETS = ("eventsList",)
# Waits for the database, at most PROBE_THREADS at a time.
PROBES_TAG = "Ops"
# A server whose threads are all waiting is alive, and must be able to say so.
LIVE = "healthLive"

# How long running calls may take at a stop; less than gunicorn's graceful_timeout, when it kills.
STOP_SECONDS = 20

log = logging.getLogger(__name__)


def create_app(
    settings: Settings | None = None, operations: Mapping[str, Function] | None = None
) -> ConnexionMiddleware:
    """The application; ContractError names all gaps between contract and handlers at once.

    Its layers and validators are built when its lifespan starts, before anything listens.
    operations: functions by snake_case operationId instead of those in `handlers`, for tests.
    """
    settings = settings or environment.load()
    if missing := erased_accounts.missing_key():
        log.warning(missing)
    described = operations_of(CONTRACT)
    responses = ResponseValidators(described, strict=settings.environment == "test")
    lane_of = _lanes(described, settings)
    if settings.production and (text := rate_limits.warning(settings)):
        log.warning(text)
    looking = Lane("look", 1)
    limiting = Lane("limits", LIMIT_THREADS, deadline=shared_limits.ANSWER_SECONDS)
    traffic = Traffic()
    app = ConnexionMiddleware(
        _nothing,
        import_name=__name__,
        middlewares=_middlewares(settings, _mounts(settings), traffic, limiting),
        lifespan=_lifespan(
            {looking, limiting, *(each for each in lane_of.values() if isinstance(each, Lane))},
            traffic,
            settings,
        ),
    )
    problems.register(app, responses)
    app.add_api(
        outline(CONTRACT),
        base_path="",  # the contract's paths are complete
        resolver=FunctionResolver(_functions(described, operations)),
        security_map={"apiKey": partial(ApiKeyCheck, settings.server_api_key)},
        # For our own layers.
        operations={each.operation_id: each for each in described},
        readers={JSON: JsonBody, MULTIPART: partial(FormBody, limits=media.UPLOAD_LIMITS)},
        lanes=lane_of,
        responses=responses,
        waiting=Waiting(feed.come, looking, ops.stopping.is_set),
    )
    return app


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """What connexion wraps: routing lets nothing through that the layers do not answer."""
    raise ApiError("not_found")


def _lifespan(
    used: set[Lane], traffic: Traffic, settings: Settings
) -> Callable[[ConnexionMiddleware], Any]:
    """Spans the server's run: begins when all layers are built, ends when its calls have ended."""

    @asynccontextmanager
    async def span(_: ConnexionMiddleware) -> AsyncIterator[None]:
        # What was built stays: the garbage collector need not traverse it again, which would stop
        # every thread for a tenth of a second.
        gc.collect()
        gc.freeze()
        _tell_outside(settings)
        measuring = asyncio.create_task(measure_levels(traffic, used))
        yield
        measuring.cancel()
        # In a thread: this loop must still deliver what the calls return until then.
        if hanging := await asyncio.to_thread(lanes.stop, used, seconds=STOP_SECONDS):
            log.error("%d calls still hang; the process ends without them", hanging)
            # Python would wait for their threads, whatever they wait for.
            os._exit(1)
        await asyncio.to_thread(tracing.stop)
        await asyncio.to_thread(error_reports.stop)

    return span


def _functions(
    described: tuple[Operation, ...], table: Mapping[str, Function] | None
) -> Mapping[str, Function]:
    if table is None:
        # Without a database there is nothing to serve: this says so, and how to get one.
        connections.engine()
        return functions.load(described)
    if gaps := functions.check(described, table):
        raise ContractError(gaps)
    return table


def _lanes(described: tuple[Operation, ...], settings: Settings) -> dict[str, Lane | NoLane]:
    quick = Lane("quick", QUICK_THREADS)
    by_tag = dict.fromkeys(OUTWARD_TAGS, Lane("outward", settings.server_threads))
    by_tag[WEBHOOKS_TAG] = Lane("webhook", WEBHOOK_THREADS)
    by_tag[PROBES_TAG] = Lane("probe", PROBE_THREADS)
    by_operation = {each.operation_id: by_tag.get(each.tag, quick) for each in described}
    read = Lane("read", READ_THREADS)
    reads = {
        each.operation_id: read
        for each in described
        if each.method == "GET" and each.tag != PROBES_TAG and each.operation_id not in WRITING_GETS
    }
    return {**by_operation, **reads, LIVE: NoLane()}


def _middlewares(
    settings: Settings, mounts: Mapping[str, ASGIApp], traffic: Traffic, limiting: Lane
) -> list[Any]:
    """connexion's stack, outermost first.

    Of its own layers these are left out: ServerErrorMiddleware because Envelope does its work,
    SwaggerUIMiddleware because Documents does, RequestValidationMiddleware because Validation does,
    ResponseValidationMiddleware because responses are checked before they are serialized and
    because it never sees refusals, ContextMiddleware because no function asks for its request.
    """
    return [
        *_second_listener(settings),
        partial(Envelope, traffic=traffic),
        ExceptionMiddleware,
        partial(ApiPrefix, roots=["/api/v1/", *(f"{prefix}/" for prefix in mounts)]),
        partial(Documents, contract=CONTRACT, mounts=mounts),
        ContractRouting,
        SecurityMiddleware,
        *([Traces] if settings.otel_exporter_otlp_endpoint else []),
        *_limit("key", settings, limiting),
        Validation,
        *_limit("user", settings, limiting),
        LifespanMiddleware,
        Views,
    ]


def _tell_outside(settings: Settings) -> None:
    """Traces and errors, by threads of this process."""
    share = float(settings.otel_traces_sampler_arg)
    tracing.start(settings.otel_exporter_otlp_endpoint, service="server", share=share)
    error_reports.start(
        settings.sentry_dsn, release=CONTRACT["info"]["version"], environment=settings.environment
    )


def _second_listener(settings: Settings) -> list[Any]:
    """No layer at all if nobody is to see figures."""
    if not settings.metrics_address:
        return []
    port = int(settings.metrics_address.rpartition(":")[2])
    return [partial(Scrapes, port=port, token=settings.metrics_token)]


def _limit(kind: str, settings: Settings, lane: Lane) -> list[Any]:
    """No layer at all if there is no limit."""
    requests, identify = {
        "key": (settings.rate_limit_per_key, rate_limits.by_key),
        "user": (settings.rate_limit_per_user, rate_limits.by_user),
    }[kind]
    if not requests:
        return []
    if settings.rate_limit_store == "database":
        count = rate_limits.in_database(kind, requests, lane)
    else:
        count = rate_limits.in_process(requests)
    return [partial(RateLimit, count=count, identify=identify)]


def _mounts(settings: Settings) -> dict[str, ASGIApp]:
    """Files kept on this machine are served by it; a bucket serves its own."""
    if settings.s3_bucket:
        return {}
    return {STORAGE_PATH: files_app(cast(DiskStorage, registry.storage()))}
