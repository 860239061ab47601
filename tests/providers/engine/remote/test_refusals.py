"""A refused create says whom it concerns: the account, the recipe, the photo, the moment."""

from __future__ import annotations

import pytest

from providers.engine.remote import ACCOUNT_TROUBLE, Accepted, NotAccepted, Trouble
from tests.providers.engine.remote.conftest import EngineWorld, engine, recipe


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
    pause = None if world.name == "comfyui" else 8
    assert outcome.problem.retry_after == pause


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
    outcome = stranger.create(world.order(), world.photo)
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
