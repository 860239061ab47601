"""One trace from the bot's request to its transactions, and a link from the order's work to it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

import settings
from errors import ApiError
from providers.http import Patience, Transport
from providers.telegram.calls import DIALECT
from telemetry import tracing
from tests import live
from tests.factories import make_user, stored_image
from tests.live import Bot, done, order
from tests.otlp_receiver import Collector, collecting
from tests.wire import wait_until
from tests.workers import working

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ASKED = {"traceparent": f"00-{TRACE}-{CALLER}-01"}

pytestmark = pytest.mark.usefixtures("no_rows")


def test_an_order_leads_from_the_bot_to_the_worker(tmp_path: Path) -> None:
    user, photo = make_user(5), str(stored_image(b"photo").id)
    with collecting() as collector:
        traced = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_TRACES_SAMPLER_ARG": "0",  # by chance none
        }
        state_dir = settings.load().state_dir
        with live.serve(tmp_path, state_dir=state_dir, **traced) as server, Bot(server.url) as bot:
            body = order(user.id, photo)
            done(bot.send("POST", "/jobs", json=body, headers=ASKED), 201)
            bot.get("/tariffs")  # nobody asked for a trace of this one
            with working(tmp_path, **traced) as worker:
                wait_until(lambda: "job done" in worker.said())
            # A stranger may not have us work more, not even to be refused.
            refused = requests.get(f"{bot.url}/tariffs", headers=ASKED, timeout=60)
            assert refused.status_code == 401
            webhook = bot.send("POST", "/webhooks/payments/stripe", json={}, headers=ASKED)
            assert webhook.status_code >= 400
        _follow(collector)
    said = [line for log in tmp_path.glob("server-*.log") for line in log.read_text().splitlines()]
    (line,) = [line for line in said if TRACE in line]
    assert json.loads(line)["operation"] == "jobsCreate"


def _follow(collector: Collector) -> None:
    (request,) = collector.spans("POST /api/v1/jobs")
    assert (request.trace, request.parent, request.service) == (TRACE, CALLER, "livephoto-server")
    assert request.about["livephoto.operation"] == "jobsCreate"
    assert request.about["http.response.status_code"] == "201"
    mine = [span for span in collector.spans() if span.parent == request.id]
    assert {span.name for span in mine} == {"transaction"}
    (job,) = collector.spans("job")
    assert job.trace != TRACE and job.links == [f"{TRACE}-{span.id}" for span in mine]
    assert job.about["livephoto.outcome"] == "done"
    assert [span for span in collector.spans("transaction") if span.parent == job.id]
    assert {span.trace for span in collector.spans()} == {TRACE, job.trace}
    spans = str(collector.spans())
    assert "X-API-Key" not in spans and "photo" not in spans.replace("livephoto", "")


def test_a_call_of_a_provider_is_a_span_of_its_own() -> None:
    with collecting() as collector:
        tracing.start(collector.url, service="test", share=1)
        try:
            address = "http://127.0.0.1:1/bot1:secret-token"
            telegram = Transport(DIALECT, address, authorization=None, patience=Patience(tries=1))
            with tracing.root("a request", {}), pytest.raises(ApiError):
                telegram.get("/getMe", call="getMe")
        finally:
            tracing.stop()
        (call,) = collector.spans("getMe")
        (root,) = collector.spans("a request")
        assert call.parent == root.id and call.about == {"livephoto.provider": "telegram"}
        assert b"secret-token" not in b"".join(collector.bodies)


@pytest.mark.parametrize("header", ["", "00-xyz", f"00-{'0' * 32}-{CALLER}-01", "a" * 5000])
def test_a_traceparent_that_is_none_begins_a_trace_of_our_own(header: str) -> None:
    with collecting() as collector:
        tracing.start(collector.url, service="test", share=1)
        try:
            with tracing.root("a request", {}, parent=header):
                at = tracing.traceparent()
        finally:
            tracing.stop()
        (span,) = collector.spans()
    assert at == f"00-{span.trace}-{span.id}-01" and span.parent == ""
    assert tracing.traceparent() is None


def test_without_an_address_a_span_is_nothing() -> None:
    with tracing.root("a", {}) as root, tracing.inner("b", {}) as inner:
        assert (root, inner, tracing.traceparent()) == (None, None, None)
