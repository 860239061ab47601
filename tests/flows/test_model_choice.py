"""What a bot may choose from, and what it is told when it chooses wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import settings
from db import transaction
from db.models import GenerationModel, Job
from providers.engine.remote import recipes
from tests import engine_world, live
from tests.engine_world import offer
from tests.factories import balance, make_image, make_user
from tests.live import Bot, done, order, refused, unchanged
from workflows import steps

KLING, FAL = "kling-2.5-replicate", "kling-2.5-fal"


@pytest.fixture
def no_key(bot: Bot) -> Iterator[Bot]:
    """The bot of a server to which no engine is connected."""
    yield bot
    offer()


@pytest.fixture
def connected(database: str, tmp_path: Path) -> Iterator[Bot]:
    """The bot of a server to which the engines are connected."""
    environ = engine_world.environ("http://127.0.0.1:9") | {"FAL_KEY": ""}
    server = live.serve(tmp_path, state_dir=settings.load().state_dir, **environ)
    with server as running, Bot(running.url) as client:
        yield client
    offer()


def listed(bot: Bot, **query: str) -> list[dict[str, Any]]:
    return done(bot.get("/models", **query), 200)


def test_without_keys_the_built_in_models_are_offered_with_their_prices(no_key: Bot) -> None:
    offer(KLING)
    offers = listed(no_key)
    assert [(each["serviceType"], each["priceTokens"], each["priceRub"]) for each in offers] == [
        ("animate", 10, 100),
        ("restore", 5, 50),
    ]
    assert all(each["isDefault"] and each["title"] and not each["takesWish"] for each in offers)
    assert [each["serviceType"] for each in listed(no_key, serviceType="restore")] == ["restore"]
    refused(no_key.get("/models", serviceType="paint"), "bad_request")


def test_models_with_a_key_that_are_active_are_offered_too(connected: Bot) -> None:
    ids = offer(KLING, FAL)
    kling = next(each for each in listed(connected) if each["id"] == str(ids[KLING]))
    assert (kling["priceTokens"], kling["usualSeconds"], kling["takesWish"]) == (25, 120, True)
    assert str(ids[FAL]) not in {each["id"] for each in listed(connected)}


def test_a_chosen_model_sets_the_price_and_the_queue(connected: Bot) -> None:
    chosen, user = offer(KLING)[KLING], make_user(30)
    wanted = order(user.id, make_image().id, "animate") | {"modelId": str(chosen)}
    job = done(connected.post("/jobs", wanted, key="chosen"), 201)
    assert (job["modelId"], job["tokensReserved"], job["status"]) == (str(chosen), 25, "queued")
    assert done(connected.post("/jobs", wanted, key="chosen"), 201) == job
    with transaction() as session:
        assert session.get_one(Job, job["id"]).engine == "replicate"
    assert balance(user.id) == 5


def test_a_model_that_cannot_be_ordered_is_refused_and_nothing_is_written(connected: Bot) -> None:
    ids = offer(KLING, FAL)
    with transaction() as session:
        inactive = engine_world.model(session, "wan-2.2-replicate").id
    user, photo = make_user(100), make_image()
    for model_id, service, code in (
        (uuid4(), "animate", "model_not_found"),
        (ids[KLING], "restore", "model_not_offered"),
        (inactive, "animate", "model_not_offered"),
        (ids[FAL], "animate", "model_not_offered"),
    ):
        wanted = order(user.id, photo.id, service) | {"modelId": str(model_id)}
        with unchanged():
            refused(connected.post("/jobs", wanted), code)


def test_an_album_costs_the_chosen_model_for_each_photo(connected: Bot) -> None:
    chosen, user, photo = offer(KLING)[KLING], make_user(100), make_image()
    album = order(user.id, photo.id, "animate") | {"modelId": str(chosen)}
    album["input"] *= 2
    assert done(connected.post("/jobs", album), 201)["tokensReserved"] == 50


def test_a_wish_that_is_too_long_is_refused_and_nothing_is_written(connected: Bot) -> None:
    chosen, user, photo = offer(KLING)[KLING], make_user(100), make_image()
    wanted = order(user.id, photo.id, "animate") | {
        "modelId": str(chosen),
        "description": "я" * 301,
    }
    with unchanged():
        assert "description" in refused(connected.post("/jobs", wanted), "bad_request")


def test_a_default_whose_engine_has_no_key_is_no_service(no_key: Bot) -> None:
    user, photo = make_user(100), make_image()
    with transaction() as session:
        engine_world.model(session, "animate-standard").is_default = False
        session.flush()
        kling = engine_world.model(session, KLING)
        kling.active = kling.is_default = True
    try:
        with unchanged():
            refused(
                no_key.post("/jobs", order(user.id, photo.id, "animate")), "service_unavailable_now"
            )
    finally:
        with transaction() as session:
            engine_world.model(session, KLING).is_default = False
            session.flush()
            engine_world.model(session, "animate-standard").is_default = True


def test_every_seeded_model_is_inactive_with_a_russian_title_and_a_recipe(database: str) -> None:
    with transaction() as session:
        rows = session.query(GenerationModel).filter(GenerationModel.engine != "embedded").all()
    assert len(rows) > 25
    needs_a_clip = {"live-portrait-replicate", "live-portrait-fal"}
    for row in rows:
        try:
            recipes.check(
                steps.recipe(
                    row.recipe or {},
                    service_type=row.service_type,
                    run_cost=row.run_cost,
                    currency=row.run_currency,
                )
            )
        except ValueError as error:
            assert row.name in needs_a_clip and "{driving_video}" in str(error)
        assert not row.active and row.recipe and row.run_cost > 0
        assert any("а" <= letter <= "я" for letter in row.title.lower())
