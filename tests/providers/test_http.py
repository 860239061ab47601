"""The transport repeats only what is safe, ends in time, and never tells a secret."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from errors import ApiError
from providers.failures import ProviderMisconfigured, ProviderRejected, ProviderUnavailable
from providers.http import Patience, Transport
from telemetry import metrics
from telemetry.metrics import scrape
from tests.scraping import Scraped
from tests.scripted_api import DIALECT, QUICK, SECRET, Answer, Api, answer, drop, html
from tests.wire import IN_TIME_SECONDS, wait_until

HASTY = Patience(first_pause_seconds=0.01, read_seconds=1, total_seconds=60)


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    yield api
    api.over.set()
    api.server.shutdown()
    api.server.server_close()


def hang(handler: Any) -> None:
    handler.hang()


OK = answer(200, {"id": "1"})


@pytest.mark.parametrize(
    "trouble",
    [drop, hang, html(502), html(200), answer(503), answer(500), answer(429), answer(409)]
    + [answer(202, {"wait": 0.01})],
)
def test_a_keyed_post_outlives_passing_trouble(api: Api, trouble: Answer) -> None:
    api.script = [trouble, OK]
    transport = api.transport(patience=HASTY if trouble is hang else QUICK)
    assert transport.post("/x", {"a": 1}, call="make", key="k-1") == {"id": "1"}
    assert len(api.got) == 2
    assert {headers["idempotency-key"] for _, headers, _ in api.got} == {"k-1"}
    assert {body for _, _, body in api.got} == {b'{"a": 1}'}


def test_a_post_without_a_key_is_never_repeated(api: Api) -> None:
    api.script = [answer(503), OK]
    with pytest.raises(ProviderUnavailable):
        api.transport().post("/x", {}, call="make", key=None)
    assert len(api.got) == 1


@pytest.mark.parametrize("trouble", [answer(503), drop])
def test_after_three_tries_the_outcome_is_unknown(api: Api, trouble: Answer) -> None:
    api.script = [trouble]
    with pytest.raises(ProviderUnavailable) as failure:
        api.transport().get("/x", call="look")
    assert len(api.got) == 3
    assert (failure.value.status, failure.value.code) == (503, "provider_unavailable")
    assert failure.value.headers["Retry-After"] == "5"


def test_nobody_listens() -> None:
    with pytest.raises(ProviderUnavailable) as failure:
        Transport(DIALECT, "http://127.0.0.1:9", authorization="x", patience=QUICK).get(
            "/x", call="look"
        )
    assert failure.value.http_status is None


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (answer(400, {"code": "bad"}), ProviderRejected),
        (answer(404, {"code": "missing"}), ProviderRejected),
        (answer(402, {"code": "card"}), ProviderRejected),
        (answer(401, {"code": "key"}), ProviderMisconfigured),
        (answer(403, {"code": "rights"}), ProviderMisconfigured),
        (html(404), ProviderMisconfigured),
        (html(400), ProviderMisconfigured),
        (answer(415), ProviderMisconfigured),
        (answer(302, Location="http://127.0.0.1:9/"), ProviderMisconfigured),
    ],
)
def test_a_final_answer_is_asked_for_once(api: Api, given: Answer, kind: type[Exception]) -> None:
    api.script = [given]
    with pytest.raises(kind):
        api.transport().post("/x", {}, call="make", key="k")
    assert len(api.got) == 1


def test_the_words_are_for_the_operator_only(api: Api) -> None:
    api.script = [answer(400, {"code": "too_small", "words": "Amount\n too small"})]
    with pytest.raises(ProviderRejected) as failure:
        api.transport().post("/x", {}, call="make_page", key="k")
    assert str(failure.value) == "stripe make_page: 400 too_small: Amount too small"
    assert "too small" not in json.dumps(failure.value.as_dict())
    assert (failure.value.status, failure.value.code) == (409, "provider_rejected")


def test_a_wait_that_fits_is_waited_out(api: Api) -> None:
    api.script = [answer(429, Retry_After="1"), OK]
    started = time.monotonic()
    assert api.transport().get("/x", call="look")
    assert time.monotonic() - started >= 1


@pytest.mark.parametrize(
    ("wait", "seconds"),
    [
        ({"Retry_After": "30"}, "30"),
        ({"Retry_After": "86400"}, "300"),
        (
            {
                "Retry_After": "Tue, 24 Nov 2026 12:00:40 GMT",
                "Date": "Tue, 24 Nov 2026 12:00:00 GMT",
            },
            "40",
        ),
        ({"Retry_After": "soon"}, "5"),
    ],
)
def test_a_longer_wait_is_left_to_the_caller(api: Api, wait: dict[str, str], seconds: str) -> None:
    def given(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response_only(429)
        for name, value in wait.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(b"{}")

    api.script = [given]
    started = time.monotonic()
    with pytest.raises(ProviderUnavailable) as failure:
        api.transport(patience=Patience(total_seconds=4)).get("/x", call="look")
    assert failure.value.headers["Retry-After"] == seconds
    assert time.monotonic() - started < IN_TIME_SECONDS


def test_an_answer_that_drips_is_not_waited_for(api: Api) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        with suppress(OSError):  # they hang up
            while not api.over.wait(0.1):
                handler.wfile.write(b" ")
                handler.wfile.flush()

    api.script = [drip]
    transport = api.transport(patience=Patience(read_seconds=0.4, total_seconds=1.5))
    started = time.monotonic()
    with pytest.raises(ProviderUnavailable):
        transport.get("/x", call="look")
    assert time.monotonic() - started < IN_TIME_SECONDS


def test_an_endless_answer_is_cut_off(api: Api) -> None:
    api.script = [answer(200, b'{"a": "' + b"x" * 2_000_000 + b'"}')]
    with pytest.raises(ProviderUnavailable):
        api.transport().get("/x", call="look")


def test_a_provider_that_hangs_does_not_hold_every_thread(api: Api) -> None:
    api.script = [hang]
    transport = api.transport(patience=Patience(read_seconds=60, at_once=2, room_seconds=0.05))
    threads = [threading.Thread(target=lambda: _ignoring(transport), daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(api.got) == 2)
    with pytest.raises(ProviderUnavailable, match="too many"):
        transport.get("/x", call="look")
    assert all(thread.is_alive() for thread in threads), "they still wait for their answers"
    api.over.set()
    for thread in threads:
        thread.join()


def _ignoring(transport: Transport) -> None:
    with pytest.raises(ProviderUnavailable):
        transport.post("/x", {}, call="make", key=None)


def test_threads_share_one_transport(api: Api) -> None:
    api.script = [OK]
    transport = api.transport(patience=Patience(at_once=8, room_seconds=60))
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda: results.append(transport.get("/x", call="look")))
        for _ in range(24)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [{"id": "1"}] * 24


def test_the_key_of_the_machine_is_not_used(
    api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    api.script = [OK]
    api.transport().get("/x", call="look")
    assert api.got[0][1]["authorization"] == f"Bearer {SECRET}"


def test_cookies_are_not_carried_on(api: Api) -> None:
    api.script = [answer(200, {"id": "1"}, Set_Cookie="session=1"), OK]
    transport = api.transport()
    transport.get("/x", call="look")
    transport.get("/x", call="look")
    assert "cookie" not in api.got[1][1]


def test_one_line_is_logged_and_tells_no_secret(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    api.script = [answer(503), drop, answer(400, {"code": "no", "words": "told why"})]
    body = {"email": "anna@example.org"}
    with pytest.raises(ProviderRejected) as failure:
        api.transport().post("/token-in-path", body, call="make_page", key="k")
    (line,) = [record for record in caplog.records if record.name == "providers.http"]
    facts = vars(line)
    assert (facts["provider"], facts["call"]) == ("stripe", "make_page")
    assert (facts["status"], facts["tries"], facts["reason"]) == (400, 3, "no")
    assert facts["ms"] >= 0 and line.levelname == "WARNING"
    logged = " ".join(str(vars(record)) for record in caplog.records) + repr(failure.value)
    assert SECRET not in logged and "anna@example.org" not in logged


def test_each_call_is_counted_once_by_what_became_of_it(api: Api) -> None:
    metrics.start(None)
    before = counted()
    transport = api.transport(patience=replace(QUICK, tries=1))
    for given in (OK, answer(503), answer(400, {"code": "no"}), drop):
        api.script = [given]
        with suppress(ApiError):
            transport.get("/x", call="count_me")
    assert [after - was for after, was in zip(counted(), before, strict=True)] == [1, 1, 1, 1, 4]


def counted() -> list[float]:
    """By outcome, and how many were timed."""
    seen = Scraped(scrape.exposition().decode())
    labels = {"provider": "stripe", "call": "count_me"}
    by_outcome = [
        seen.value("provider_calls_total", **labels, outcome=outcome) or 0
        for outcome in ("ok", "error", "refused", "unanswered")
    ]
    return [*by_outcome, seen.value("provider_call_seconds_count", **labels) or 0]


def test_a_refused_key_is_an_alarm(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    api.script = [answer(401, {"code": "key"})]
    with pytest.raises(ProviderMisconfigured):
        api.transport().get("/x", call="look")
    assert [r.levelname for r in caplog.records if r.name == "providers.http"] == ["ERROR"]
