"""A create is sent once, and its outcome is sorted so that nobody pays twice."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from providers.engine.remote import (
    ACCOUNT_TROUBLE,
    Accepted,
    Ambiguous,
    NotAccepted,
    NotSent,
    Order,
    Trouble,
)
from providers.http import Patience
from tests.providers.engine.remote.conftest import PATHS, EngineWorld, engine, recipe
from tests.providers.test_http import Api, answer, drop, html

CERTIFICATE = Path(__file__).parents[2] / "certificates/photos.test.pem"


def order(name: str, **changes: Any) -> Order:
    """An order as if its photo had been uploaded."""
    return Order(uuid4(), recipe(name, **changes), photo="https://files.test/photo.jpg", prompt="a")


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    yield api
    api.server.shutdown()
    api.server.server_close()


@pytest.fixture(params=sorted(PATHS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize(
    "script",
    [
        {"kind": "drop"},
        {"kind": "drop", "after": True},
        {"kind": "html"},
        {"kind": "html", "after": True},
        {"kind": "hang", "seconds": 2.5},
        {"kind": "hang", "seconds": 2.5, "after": True},
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 500, "after": True},
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 504, "after": True},
        {"kind": "status", "status": 408},
        {"kind": "status", "status": 409},
    ],
)
def test_without_a_clear_answer_the_outcome_is_ambiguous_and_nothing_is_sent_again(
    world: EngineWorld, script: dict[str, Any]
) -> None:
    wanted = world.order()
    world.fault(**script)
    outcome = world.engine.create(wanted, world.photo)
    assert isinstance(outcome, Ambiguous)
    assert outcome.problem.trouble in (Trouble.INFRASTRUCTURE, Trouble.CONFIG)
    assert world.counters["calls"]["create"] == 1


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        (429, Trouble.BUSY),
        (401, Trouble.AUTH),
        (402, Trouble.CREDIT),
        (413, Trouble.INPUT),
        (422, Trouble.CONFIG),
        (400, Trouble.CONFIG),
        (404, Trouble.CONFIG),
    ],
)
def test_a_refusal_was_surely_not_accepted(
    world: EngineWorld, status: int, trouble: Trouble
) -> None:
    wanted = world.order()
    world.fault("status", status=status)
    outcome = world.engine.create(wanted, world.photo)
    assert isinstance(outcome, NotAccepted)
    assert outcome.problem.trouble is trouble
    assert world.counters["calls"]["create"] == 1
    assert world.creates == 0


def test_how_long_to_be_silent_is_told_along(world: EngineWorld) -> None:
    wanted = world.order()
    world.fault("status", status=429, retry_after=8)
    outcome = world.engine.create(wanted, world.photo)
    assert isinstance(outcome, NotAccepted)
    told = None if world.name == "comfyui" else 8
    assert outcome.problem.retry_after == told


@pytest.mark.parametrize(
    ("account", "trouble"), [("no_credit", Trouble.CREDIT), ("locked", Trouble.LOCK)]
)
def test_an_account_in_trouble_stops_the_engine_with_one_call(
    world: EngineWorld, account: str, trouble: Trouble
) -> None:
    if world.name == "comfyui":
        pytest.skip("ComfyUI has no accounts")
    wanted = world.order()
    world.control("PUT", "/account", state=account)
    outcome = world.engine.create(wanted, world.photo)
    assert isinstance(outcome, NotAccepted)
    assert outcome.problem.trouble in ACCOUNT_TROUBLE
    if trouble is Trouble.CREDIT or world.name == "fal":
        assert outcome.problem.trouble is trouble
    assert world.counters["calls"]["create"] == 1
    world.control("PUT", "/account", state="good")
    assert isinstance(world.engine.create(wanted, world.photo), Accepted)


def test_health_tells_when_the_money_is_back(world: EngineWorld) -> None:
    if world.name in ("comfyui", "replicate"):
        pytest.skip("it tells no balance")
    world.control("PUT", "/account", state="no_credit")
    problem = world.engine.health().problem
    assert problem is not None and problem.trouble is Trouble.CREDIT
    world.control("PUT", "/account", state="good", balance="12.50")
    health = world.engine.health()
    assert health.problem is None and health.balance is not None
    assert str(health.balance.amount) in ("12.5", "12.50")


def test_a_model_that_is_not_there_is_the_operators_trouble(world: EngineWorld) -> None:
    if world.name == "comfyui":
        graph = {"1": {"class_type": "Nothing", "inputs": {"image": "{photo}"}}}
        wanted = world.order(recipe=recipe("comfyui", template=graph))
    else:
        wanted = world.order(recipe=recipe(world.name, model="nobody/nothing"))
    outcome = world.engine.create(wanted, world.photo)
    assert isinstance(outcome, NotAccepted)
    assert outcome.problem.trouble is Trouble.CONFIG


def test_a_field_that_the_model_does_not_have_is_too(world: EngineWorld) -> None:
    if world.name != "replicate":
        pytest.skip("checked at the create by Replicate only")
    template = {"start_image": "{photo}", "unknown_field": 1}
    wanted = world.order(recipe=recipe("replicate", template=template))
    outcome = world.engine.create(wanted, world.photo)
    assert isinstance(outcome, NotAccepted) and outcome.problem.trouble is Trouble.CONFIG


def test_a_wrong_key_is_no_problem_of_the_photo(world: EngineWorld) -> None:
    stranger = engine(world.name, world.sandbox.url, good_key=False)
    outcome = stranger.create(order(world.name), world.photo)
    assert isinstance(outcome, NotAccepted) and outcome.problem.trouble is Trouble.AUTH


def test_half_a_graph_is_stopped_and_refused(world: EngineWorld) -> None:
    if world.name != "comfyui":
        pytest.skip("only ComfyUI has graphs")
    world.script(queue_seconds=60, run_seconds=60)
    whole = recipe("comfyui").template
    broken = {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}}
    wanted = world.order(recipe=recipe("comfyui", template={**whole, "4": broken}))
    outcome = world.engine.create(wanted, world.photo)
    assert isinstance(outcome, NotAccepted) and outcome.problem.trouble is Trouble.CONFIG
    assert "filename_prefix" in outcome.problem.detail
    assert world.creates == 0, "it was taken out of the queue"


@pytest.mark.parametrize(
    "trouble",
    [
        drop,
        html(200),
        html(502),
        answer(200, {"id": None, "request_id": "", "prompt_id": 5}),
        answer(201, {"id": "../account", "request_id": "a b", "prompt_id": "x" * 300}),
        answer(200, b"[]"),
        answer(200, b""),
        answer(302, {}, Location="/elsewhere"),
        answer(301, b"", Location="https://example.com/"),
        answer(405, {"detail": "no"}),
    ],
)
def test_an_answer_without_an_id_is_ambiguous(
    api: Api, name: str, prepared: Path, trouble: Any
) -> None:
    api.script = [trouble, answer(200, {"id": "a", "request_id": "a", "prompt_id": "a"})]
    outcome = engine(name, api.url).create(order(name), prepared)
    assert isinstance(outcome, Ambiguous)
    assert len(api.got) == 1


def test_a_create_has_a_connection_of_its_own(api: Api, name: str, prepared: Path) -> None:
    api.script = [answer(200, {"id": "a", "request_id": "a", "prompt_id": "a"})]
    adapter = engine(name, api.url)
    for _ in range(2):
        adapter.health()
        assert adapter.create(order(name), prepared) == Accepted("a")
    creates = [headers for verb, headers, _ in api.got if verb == "POST"]
    assert len(creates) == 2


def test_what_nobody_heard_was_not_sent(name: str, prepared: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for url in (
        f"http://127.0.0.1:{port}",  # nobody listens there any more
        "http://no-such-host.invalid",
    ):
        outcome = engine(name, url).create(order(name), prepared)
        assert isinstance(outcome, NotSent)
        assert outcome.problem.trouble is Trouble.INFRASTRUCTURE


def test_a_connection_that_is_never_accepted_was_not_sent(name: str, prepared: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]  # they fill its backlog
        for each in waiting:
            each.setblocking(False)
            with suppress(BlockingIOError):
                each.connect(address)
        try:
            outcome = engine(name, f"http://127.0.0.1:{address[1]}").create(order(name), prepared)
        finally:
            for each in waiting:
                each.close()
    assert isinstance(outcome, NotSent)


def test_a_proxy_that_is_not_there_has_sent_nothing(
    name: str, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    outcome = engine(name, "http://example.invalid").create(order(name), prepared)
    assert isinstance(outcome, NotSent)


def test_a_server_with_a_strange_certificate_gets_nothing(name: str, prepared: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with _tls_server(context) as (port, heard):
        outcome = engine(name, f"https://127.0.0.1:{port}").create(order(name), prepared)
    assert isinstance(outcome, NotSent)
    assert not any(heard)


def test_a_handshake_that_hangs_or_breaks_proves_nothing(name: str, prepared: Path) -> None:
    with _tls_server(None) as (port, _):  # accepts, and never says a word
        outcome = engine(name, f"https://127.0.0.1:{port}").create(order(name), prepared)
    assert isinstance(outcome, Ambiguous)


def test_too_many_calls_of_ours_at_once_are_not_sent(api: Api, name: str, prepared: Path) -> None:
    held, release = threading.Event(), threading.Event()

    def hold(handler: Any) -> None:
        held.set()
        release.wait(10)
        answer(200, {"id": "a", "request_id": "a", "prompt_id": "a"})(handler)

    api.script = [hold]
    adapter = engine(name, api.url, patience=Patience(at_once=1, room_seconds=0.05))
    first = threading.Thread(target=adapter.create, args=(order(name), prepared))
    first.start()
    try:
        assert held.wait(10)
        outcome = adapter.create(order(name), prepared)
    finally:
        release.set()
        first.join()
    assert isinstance(outcome, NotSent) and outcome.problem.trouble is Trouble.BUSY


def test_the_provider_is_told_when_to_give_up_by_itself(world: EngineWorld) -> None:
    wanted = world.order(run_seconds=150)
    assert isinstance(world.engine.create(wanted, world.photo), Accepted)
    headers = world.counters["headers"]["create"]
    if world.name == "fal":
        assert headers["X-Fal-No-Retry"] == "1"
        assert headers["X-Fal-Request-Timeout"] == "150"
        assert json.loads(headers["X-Fal-Object-Lifecycle-Preference"])
    if world.name == "replicate":
        assert headers["Cancel-After"] == "3m"
        assert "Prefer" not in headers


@contextmanager
def _tls_server(context: ssl.SSLContext | None) -> Iterator[tuple[int, list[bytes]]]:
    """A listener that shakes hands, or with None hangs; what it has heard after that."""
    heard: list[bytes] = []
    open_sockets: list[socket.socket] = []

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            open_sockets.append(connection)
            if context is None:
                continue
            with suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:
                heard.append(secure.recv(4096))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=[listener], daemon=True)
        thread.start()
        yield listener.getsockname()[1], heard
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        for each in open_sockets:
            each.close()
