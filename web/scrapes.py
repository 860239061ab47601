"""The second listener, METRICS_ADDRESS, for Prometheus: metrics at /metrics and nothing else."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from db import reading
from errors import ApiError
from services import gauges
from telemetry import metrics
from telemetry.metrics import Sample, scrape
from web.envelope import Traffic
from web.lanes import Lane

log = logging.getLogger(__name__)

# A scrape that waited longer would be given up by Prometheus, with all that needs no database.
DATABASE_SECONDS = 1.0
REMEMBERED_SECONDS = 1.0
LEVELS_EVERY_SECONDS = 1.0


class Scrapes:
    """Outside of all layers: a scrape is no request of the API and has no line in the log.

    port: of the second listener. On the first one there is no /metrics.
    """

    def __init__(self, app: ASGIApp, port: int, token: str) -> None:
        self._app = app
        self._port = port
        self._token = token
        self._lane = Lane("scrape", 1, deadline=DATABASE_SECONDS)
        self._remembered: tuple[float, list[Sample]] = (float("-inf"), [])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a scrape, and hand on what came to the public listener."""
        # Where the connection was accepted, whatever Host says.
        if scope["type"] == "http" and (scope.get("server") or (None, None))[1] == self._port:
            answer = await self._answer(scope)
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _answer(self, scope: Scope) -> Response:
        if scope["path"] != scrape.PATH:
            return Response(status_code=404)
        if scope["method"] != "GET":
            return Response(status_code=405, headers={"Allow": "GET"})
        if not scrape.may_scrape(Headers(scope=scope).get("authorization", ""), self._token):
            return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})
        samples = await self._samples()
        body = await asyncio.to_thread(scrape.exposition, samples)
        return Response(body, headers={"Content-Type": scrape.CONTENT_TYPE})

    async def _samples(self) -> list[Sample]:
        """What the database says; only that it is away when it is, or takes too long."""
        moment, samples = self._remembered
        if time.monotonic() - moment >= REMEMBERED_SECONDS:
            try:
                samples = await self._lane.run(_read, None)
            except Exception as error:  # whatever it is, the rest is shown
                if not isinstance(error, ApiError):
                    log.exception("metrics of the database could not be read")
                samples = [(metrics.database_up, 0.0, ())]
            self._remembered = time.monotonic(), samples
        return samples


async def measure_levels(traffic: Traffic, lanes: Iterable[Lane]) -> None:
    """Write down every second what is in progress: at each request it would cost as much as
    everything else that is counted.
    """
    while metrics.has_started():
        metrics.http_requests_in_progress.set(traffic.in_progress)
        for lane in lanes:
            lane.measure()
        await asyncio.sleep(LEVELS_EVERY_SECONDS)


def _read(_: None) -> list[Sample]:
    with reading() as reader:
        found = gauges.read(reader)
    up: Sample = (metrics.database_up, 1.0, ())
    return [up, *(_sample(gauge) for gauge in found)]


def _sample(gauge: gauges.Gauge) -> Sample:
    metric = metrics.METRICS[gauge.name]
    if not isinstance(metric, metrics.Reading) or len(gauge.labels) != len(metric.labels):
        raise TypeError(f"{gauge.name} is no reading with {len(gauge.labels)} labels")
    return metric, gauge.value, tuple(gauge.labels)
