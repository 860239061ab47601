"""The operator's commands about engines of providers and their models, against the sandbox."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import update

from db import transaction
from db.models import Engine, GenerationAttempt, Job
from db.types import now
from services import breakers, engines, jobs, remote_queue
from tests import engine_world
from tests.command_line import CommandLine, cells, command_line, complain, say
from tests.engine_world import EngineWorld, offer
from tests.factories import make_image, make_job, make_user
from tests.wire import ROOT

KLING = "kling-2.5-replicate"
PORTRAIT = str(ROOT / "local/samples/portrait.jpg")


@pytest.fixture(scope="module")
def world(database: str) -> Iterator[EngineWorld]:
    with engine_world.engine_sandbox() as running:
        yield EngineWorld(running)


@pytest.fixture(scope="module")
def cli(world: EngineWorld) -> Iterator[CommandLine]:
    with command_line(**world.environ) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _well(world: EngineWorld) -> None:
    engine_world.reset_engines()
    world.account("replicate", "good")


def listed(cli: CommandLine, engine: str) -> list[str]:
    return next(row for row in cells(say(cli, "engines", "list")) if row[0] == engine)


def test_the_list_tells_what_is_connected_and_what_is_closed_and_why(cli: CommandLine) -> None:
    assert listed(cli, "replicate")[:2] == ["replicate", "True"]
    assert listed(cli, "comfyui")[1] == "False"
    with transaction() as session:
        breakers.locked_out(session, "replicate", now=now(), code="credit", detail="402: no money")
    assert "credit" in listed(cli, "replicate") and "no" in listed(cli, "replicate")
    assert say(cli, "engines", "resume", "replicate") == "replicate takes orders"
    assert "credit" not in listed(cli, "replicate")


def test_check_asks_each_connected_engine(cli: CommandLine, world: EngineWorld) -> None:
    output = say(cli, "engines", "check")
    assert "replicate: well" in output and "polza: well" in output and "comfyui" not in output
    with command_line(**world.environ | {"POLZA_API_KEY": "pza_forgotten"}) as stranger:
        code, output, _ = stranger.run("engines", "check")
    assert code == 1 and "polza: auth" in output


def test_limits_are_changed_and_nonsense_is_refused(cli: CommandLine) -> None:
    say(
        cli, "engines", "limit", "fal", "--in-flight", "2", "--per-minute", "7", "--per-day", "none"
    )
    with transaction() as session:
        fal = session.get_one(Engine, "fal")
    assert (fal.max_in_flight, fal.creates_per_minute, fal.daily_cost) == (2, 7, None)
    for words in (("fal",), ("fal", "--per-day", "NaN"), ("nobody", "--in-flight", "1")):
        assert complain(cli, "engines", "limit", *words, code=2)


def test_a_trial_saves_a_result_and_orders_once(
    cli: CommandLine, world: EngineWorld, tmp_path: Path
) -> None:
    before, since = len(world.runs("replicate")), now().isoformat()
    to = tmp_path / "a.mp4"
    output = say(cli, "engines", "try", PORTRAIT, "--model", KLING, "--to", str(to), "--yes")
    assert "accepted as" in output and b"ftyp" in to.read_bytes()[:16]
    assert len(world.runs("replicate")) == before + 1
    # It has no attempt: what an order leaves behind whose rows are lost.
    (known,) = cells(say(cli, "engines", "runs", "--since", since))
    assert known[0] == "replicate" and f"accepted as {known[2]}" in output
    world.fault("fal", "status", call="list", status=403)
    said = say(cli, "engines", "runs", "--since", since)
    assert known[2] in said and "cannot be listed" in said


def test_a_model_is_added_put_on_offer_made_the_default_and_disabled(
    cli: CommandLine, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps({"model": "a/b", "template": {"image": "{photo}"}}))
    words = ["models", "add", "mine", "animate", "replicate", str(recipe)]
    words += ["--title", "Моя", "--description", "Лучшая", "--tokens", "7", "--rub", "70"]
    say(cli, *words, "--cost", "0.05USD")
    assert "a/b" in say(cli, "models", "show", "mine")
    assert "mine" not in say(cli, "models", "list", "--on-offer")
    say(cli, "models", "edit", "mine", "--active", "--fallback", "5", "--cost", "0.06USD")
    say(cli, "models", "edit", "mine", "--most-mb", "8")
    assert str(8 * 1024 * 1024) in say(cli, "models", "show", "mine")
    assert "0.06 USD" in say(cli, "models", "list", "--on-offer")
    say(cli, "models", "default", "mine")
    output = say(cli, "models", "disable", "mine")
    assert "animate is not sold now" in output
    say(cli, "models", "default", "animate-standard")


def test_a_recipe_that_never_takes_the_photo_is_refused(cli: CommandLine, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.json"
    below_zero = '{"model": "a/b", "template": {"a": "{photo}"}, "price": {"amount": -1}}'
    for written in ('{"model": "a/b", "template": {}}', "{}", "[]", "not json", below_zero):
        recipe.write_text(written)
        words = ["models", "add", "bad", "animate", "replicate", str(recipe)]
        words += ["--title", "Моя", "--description", "Лучшая", "--tokens", "7", "--rub", "70"]
        assert "is no recipe" in complain(cli, *words, "--cost", "1USD", code=2)


def test_orders_at_an_engine_are_told_with_the_provider_s_words(
    cli: CommandLine, world: EngineWorld
) -> None:
    ids = offer(KLING)
    user = make_user(25)
    job = make_job(user.id, "animate", data_id=make_image().id)
    with transaction() as session:  # this process has no key, so that it cannot be ordered here
        chosen = {"model_id": ids[KLING], "engine": "replicate"}
        session.execute(update(Job).where(Job.id == job.id).values(**chosen))
    assert "replicate" not in say(cli, "jobs", "show", str(job.id))
    with transaction() as session:
        engines.lock(session, "replicate")
        room = engines.room(session, "replicate", now=now())
        remote_queue.take(session, "replicate", room, chance=Random(1))
    with transaction() as session:
        session.execute(
            update(GenerationAttempt).values(
                state="failed",
                charged="maybe",
                sent_at=now(),
                due_at=None,
                ended_at=now(),
                trouble="unclear",
                error_code="several_fit",
                error_detail="perhaps gen_1, gen_2",
            )
        )
    for words in (("jobs", "show", str(job.id)), ("engines", "orders", "replicate", "--doubtful")):
        output = say(cli, *words)
        assert str(job.id) in output and "0.35 USD" in output
        assert "unclear several_fit perhaps gen_1, gen_2" in output
    assert str(job.id) not in say(cli, "engines", "orders", "fal")
    with transaction() as session:
        jobs.fail(session, job.id, reason="Так получилось")


def test_what_limits_could_not_count_with_is_refused(cli: CommandLine) -> None:
    offer()
    assert "paid in USD" in complain(cli, "models", "edit", KLING, "--cost", "35RUB", code=1)
    over = ("models", "edit", KLING, "--cost", "1000USD", "--active")
    assert "JOB_COST_LIMIT_USD" in complain(cli, *over, code=1)
    with transaction() as session:
        kling = engine_world.model(session, KLING)
        recipe, kept = dict(kling.recipe or {}), kling.recipe
        kling.recipe = recipe | {"template": {"image": "{photo}", "clip": "{driving_video}"}}
    try:
        words = complain(cli, "models", "edit", KLING, "--active", code=2)
        assert "{driving_video}" in words and not is_on_offer(KLING)
    finally:
        with transaction() as session:
            engine_world.model(session, KLING).recipe = kept


def is_on_offer(name: str) -> bool:
    with transaction() as session:
        return engine_world.model(session, name).active


def test_a_model_whose_engine_has_no_key_is_not_put_on_offer(cli: CommandLine) -> None:
    offer()
    with command_line(REPLICATE_API_TOKEN="") as without:
        assert "not connected" in complain(without, "models", "edit", KLING, "--active", code=1)
