"""What every remote engine promises, asked of each against its sandbox."""

from __future__ import annotations

import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal
from uuid import uuid4

import pytest

from providers.engine.remote import (
    Absent,
    Accepted,
    Canceled,
    Charged,
    Downloaded,
    Failed,
    Gone,
    NotAccepted,
    NotSent,
    Order,
    Queued,
    RemoteEngine,
    Run,
    Running,
    Succeeded,
    Trouble,
    Unanswered,
    Unclear,
)
from tests.providers.engine.remote.conftest import KEYS, EngineWorld, engine, recipe
from tests.wire import IN_TIME_SECONDS


def test_an_engine_is_what_it_says(world: EngineWorld) -> None:
    adapter: RemoteEngine = world.engine
    assert adapter.name == world.name
    assert adapter.pace.find_seconds == tuple(sorted(adapter.pace.find_seconds))


@pytest.mark.parametrize("media", ["video", "image"])
def test_an_order_goes_all_the_way_to_a_file_made_from_its_photo(
    world: EngineWorld, media: Literal["video", "image"], tmp_path: Path
) -> None:
    run = world.start(media, queue_seconds=10, run_seconds=20)
    assert isinstance(world.engine.poll(run), Queued)
    world.wait(15)
    assert isinstance(world.engine.poll(run), Running)
    world.wait(20)
    seen = world.engine.poll(run)
    assert isinstance(seen, Succeeded)
    target = tmp_path / "result"
    fetched = world.engine.fetch(run, seen.file, target)
    kind = {"video": "video/mp4", "image": "image/jpeg"}[media]
    assert fetched == Downloaded(kind, target.stat().st_size)
    assert world.engine.poll(run) == seen, "a poll may be repeated"
    assert world.creates == 1


def test_the_model_gets_the_photo_and_the_wish(world: EngineWorld) -> None:
    world.start()
    (seen,) = world.control("GET", "/runs")
    photo = seen["photo"]
    assert (photo["format"], photo["width"], photo["height"]) == ("JPEG", 480, 360)
    assert photo["bytes"] == world.photo.stat().st_size
    assert "waves" in str(seen["input"])
    assert "{" not in str(seen["input"]).replace("{'", "")


def test_a_success_has_a_cost_in_the_providers_currency(world: EngineWorld) -> None:
    _, seen = world.succeed()
    assert seen.cost is not None
    known = {"polza": (Decimal("31.5"), "RUB")}.get(world.name, (Decimal("0.35"), "USD"))
    assert (seen.cost.amount, seen.cost.currency) == known


def test_the_key_goes_to_the_api_and_never_to_a_file_server(
    world: EngineWorld, tmp_path: Path
) -> None:
    run, seen = world.succeed()
    world.engine.fetch(run, seen.file, tmp_path / "result")
    headers = world.counters["headers"]
    assert headers["create"].get("Authorization") or headers["create"].get("X-Proxy-Key")
    assert "Authorization" not in headers["file"]
    # ComfyUI is its own file server, behind the same proxy.
    assert ("X-Proxy-Key" in headers["file"]) == (world.name == "comfyui")


@pytest.mark.parametrize(
    ("end", "trouble"),
    [
        ("refused", Trouble.REFUSAL),
        ("input", Trouble.INPUT),
        ("infrastructure", Trouble.INFRASTRUCTURE),
        ("mute", Trouble.NO_RESULT),
    ],
)
def test_a_run_that_fails_says_whose_trouble_it_is(
    world: EngineWorld, end: str, trouble: Trouble
) -> None:
    _, seen = world.finish(end=end)
    assert isinstance(seen, Failed)
    if world.name == "comfyui" and end in ("refused", "input"):
        trouble = Trouble.INFRASTRUCTURE  # nodes raise what they like
    assert seen.problem.trouble is trouble
    if world.name == "comfyui":
        assert seen.charged is Charged.NO
    elif end == "mute":
        assert seen.charged is Charged.YES


def test_a_status_that_nobody_has_documented_is_still_running(world: EngineWorld) -> None:
    _, seen = world.finish(end="weird")
    # ComfyUI's history has ended runs only: there, no file is no result.
    assert isinstance(seen, Failed if world.name == "comfyui" else Running)


def test_a_run_nobody_knows_is_gone(world: EngineWorld) -> None:
    assert isinstance(world.engine.poll(Run(recipe(world.name), str(uuid4()))), Gone)


@pytest.mark.parametrize("after", [0, 15])
def test_a_canceled_run_ends_without_a_result(world: EngineWorld, after: int) -> None:
    run = world.start(queue_seconds=10, run_seconds=20)
    world.wait(after)
    assert world.engine.cancel(run) is None
    world.wait(1)
    seen = world.engine.poll(run)
    if world.name == "polza":  # which cannot
        assert isinstance(seen, Queued | Running)
    elif world.name == "comfyui" and not after:
        assert isinstance(seen, Gone)
    else:
        assert isinstance(seen, Canceled)


def test_a_cancel_that_comes_too_late_changes_nothing(world: EngineWorld) -> None:
    run, seen = world.succeed()
    assert world.engine.cancel(run) is None
    assert world.engine.poll(run) == seen
    assert world.engine.cancel(Run(run.recipe, str(uuid4()))) is None


@pytest.mark.parametrize(
    "script",
    [
        {"kind": "drop"},
        {"kind": "html"},
        {"kind": "hang", "seconds": 2},
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 429, "retry_after": 60},
        {"kind": "status", "status": 401},
        {"kind": "status", "status": 403},
    ],
)
def test_a_poll_without_an_answer_says_nothing_about_the_run(
    world: EngineWorld, script: dict[str, object]
) -> None:
    run, seen = world.succeed()
    polled = world.counters["calls"]["poll"]
    world.fault(call="poll", **script)  # type: ignore[arg-type]
    silence = world.engine.poll(run)
    assert isinstance(silence, Unanswered)
    if script.get("retry_after") and world.name != "comfyui":
        assert silence.problem.retry_after == 60, "so that the runner is silent as long"
    assert world.counters["calls"]["poll"] == polled + 1, "the next poll is the runner's"
    assert world.engine.poll(run) == seen
    assert world.creates == 1


def test_a_result_that_cannot_be_read_now_is_no_failure_of_the_run(world: EngineWorld) -> None:
    if world.name != "fal":
        pytest.skip("only fal tells state and result apart")
    run, seen = world.succeed()
    for script in ({"kind": "drop"}, {"kind": "html"}, {"kind": "status", "status": 500}):
        world.fault(call="result", **script)
        assert isinstance(world.engine.poll(run), Unanswered)
        assert world.engine.poll(run) == seen


def test_an_upload_outlives_a_short_trouble(world: EngineWorld) -> None:
    world.fault("drop", call="upload")
    world.order()
    world.fault("status", call="upload", status=503)
    world.order()


def test_nobody_waits_in_a_thread_for_a_provider_that_wants_silence(world: EngineWorld) -> None:
    if world.name in ("polza", "comfyui"):
        pytest.skip("it has no uploads, or no word for it")
    world.fault("status", call="upload", status=429, retry_after=60)
    started = time.monotonic()
    outcome = world.engine.upload(uuid4(), world.photo)
    assert isinstance(outcome, NotAccepted)
    assert (outcome.problem.trouble, outcome.problem.retry_after) == (Trouble.BUSY, 60)
    assert time.monotonic() - started < IN_TIME_SECONDS


def test_an_upload_that_is_not_answered_is_not_sent(world: EngineWorld) -> None:
    if world.name == "polza":
        pytest.skip("Polza has no uploads")
    world.fault("drop", call="upload", times=3)
    assert isinstance(world.engine.upload(uuid4(), world.photo), NotSent)


def test_health_probes_without_ordering(world: EngineWorld) -> None:
    health = world.engine.health()
    assert health.problem is None
    balances = {"fal": "USD", "polza": "RUB"}
    assert (health.balance.currency if health.balance else None) == balances.get(world.name)
    assert world.creates == 0
    world.fault("status", call="health", status=503)
    down = world.engine.health().problem
    assert down is not None and down.trouble is Trouble.INFRASTRUCTURE


def test_health_knows_a_wrong_key(world: EngineWorld) -> None:
    stranger = engine(world.name, world.sandbox.url, good_key=False)
    problem = stranger.health().problem
    assert problem is not None and problem.trouble is Trouble.AUTH


def test_a_lost_create_is_found_by_its_mark(world: EngineWorld) -> None:
    world.script(run_seconds=5)
    order = world.order()
    sent_at = world.now()
    world.fault("drop", after=True)
    world.engine.create(order, world.photo)
    found = world.engine.find(order, sent_at=sent_at, known_ids=frozenset())
    assert isinstance(found, Accepted)
    world.wait(6)
    assert isinstance(world.engine.poll(Run(order.recipe, found.external_id)), Succeeded)
    assert world.creates == 1


def test_a_create_that_never_arrived_is_absent(world: EngineWorld) -> None:
    order, sent_at = world.order(), world.now()
    assert world.engine.find(order, sent_at=sent_at, known_ids=frozenset()) == Absent()


def test_runs_of_other_orders_are_not_mistaken_for_ours(world: EngineWorld) -> None:
    others = frozenset(world.start().external_id for _ in range(2))
    order, sent_at = world.order(), world.now()
    minute = timedelta(minutes=1)
    listed = world.engine.list_runs(order.recipe, sent_at - minute, sent_at + minute)
    assert set(listed) == (set() if world.name == "comfyui" else others)
    found = world.engine.find(order, sent_at=sent_at, known_ids=others)
    assert found == Absent()
    found = world.engine.find(order, sent_at=sent_at, known_ids=frozenset())
    if world.name == "polza":  # which shows no input: a person decides
        assert isinstance(found, Unclear) and set(found.candidates) == others
    else:
        assert found == Absent()


def test_a_run_of_yesterday_is_not_ours(world: EngineWorld) -> None:
    world.start()
    world.wait(timedelta(days=1).total_seconds())
    order = world.order()
    assert world.engine.find(order, sent_at=world.now(), known_ids=frozenset()) == Absent()


@pytest.mark.parametrize("call", ["list", "poll", "queue"])
def test_a_list_that_cannot_be_read_proves_nothing(world: EngineWorld, call: str) -> None:
    order, sent_at = world.order(), world.now()
    world.fault("status", call=call, times=9, status=500)
    found = world.engine.find(order, sent_at=sent_at, known_ids=frozenset())
    asked = call != "list" if world.name == "comfyui" else call == "list"
    assert isinstance(found, Unclear if asked else Absent)


def test_a_lost_create_is_found_among_hundreds(world: EngineWorld) -> None:
    if world.name == "comfyui":
        pytest.skip("ComfyUI is asked for one id")
    order, sent_at = world.order(), world.now()
    assert isinstance(world.engine.create(order, world.photo), Accepted)
    others = set()
    for _ in range(120):
        outcome = world.engine.create(
            Order(uuid4(), order.recipe, f"{order.photo}x", prompt="other"), world.photo
        )
        assert isinstance(outcome, Accepted)
        others.add(outcome.external_id)
    found = world.engine.find(order, sent_at=sent_at, known_ids=frozenset(others))
    assert isinstance(found, Accepted) and found.external_id not in others


def test_no_key_and_no_address_reaches_a_log(
    world: EngineWorld, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="providers")
    run, seen = world.succeed()
    world.fault("drop")
    lost = world.engine.create(world.order(), world.photo)
    stranger = engine(world.name, world.sandbox.url, good_key=False).create(
        world.order(), world.photo
    )
    world.engine.fetch(run, seen.file, tmp_path / "result")
    ours = [vars(each) for each in caplog.records if each.name.startswith("providers")]
    logged = f"{ours} {lost} {stranger}"
    assert ours and "create" in logged
    for secret in (
        *(KEYS.replicate_api_token, KEYS.fal_key, KEYS.polza_api_key, "let-me-in"),
        *(run.external_id, world.sandbox.url),
    ):
        assert secret not in logged
