"""Whatever a provider answers, in whatever order: nothing raises, and nothing is made up."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.engine.remote import (
    Accepted,
    Ambiguous,
    Create,
    Failed,
    Find,
    Health,
    NotAccepted,
    Order,
    Poll,
    Run,
    Succeeded,
    Unanswered,
    Upload,
    Uploaded,
)
from providers.engine.remote.wire import REFUSING
from providers.http import Patience
from tests.providers.engine.remote.conftest import PATHS, engine, recipe, utc
from tests.scripted_api import Answer, Api, answer, drop

# One try: a second one would take the answer of the next question.
ONCE = Patience(connect_seconds=1, read_seconds=2, total_seconds=3, tries=1)
PHOTO = "https://files.test/photo.jpg"
RUN_ID = "0b5d7c39-0000-4000-8000-000000000001"
MANY = settings(max_examples=120, deadline=None)

scalars = st.none() | st.booleans() | st.integers(-3, 10**6) | st.text(max_size=12)
names = st.sampled_from(
    ["url", "video", "image", "images", "data", "output", "status", "error", "logs", "messages"]
)
values = st.recursive(
    scalars | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


def mostly(sensible: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What belongs there, or now and then anything at all."""
    return st.integers(0, 19).flatmap(lambda chance: values if chance == 19 else sensible)


GOOD = ["https://files.test/a.mp4", "http://files.test/b"]
addresses = st.sampled_from([*GOOD, "ftp://x", "x.mp4", ""])
files = addresses | st.fixed_dictionaries({"url": mostly(addresses)})
outputs = mostly(files | st.lists(files, max_size=2))
logs = mostly(st.sampled_from(["50%|#", "", "900%|"]))
metrics = mostly(st.fixed_dictionaries({}, optional={"predict_time": scalars}))
words = mostly(st.sampled_from(["E005", "no face", "(code: PA)", "Request is still in progress"]))


def answers(statuses: list[str], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An answer with one of these statuses, or another one, and any of these fields."""
    status = mostly(st.sampled_from([*statuses, "archived"]))
    return st.fixed_dictionaries({"status": status}, optional=fields)


def history(identifier: str) -> st.SearchStrategy[Any]:
    """An entry of ComfyUI's history."""
    file = st.fixed_dictionaries(
        {"filename": st.sampled_from(["a.mp4", "a.png", "a.gif", ""]) | scalars},
        optional={"type": st.sampled_from(["output", "temp"]), "subfolder": scalars},
    )
    node = st.dictionaries(names, mostly(st.lists(mostly(file), max_size=2)), max_size=2)
    status = st.fixed_dictionaries(
        {"status_str": st.sampled_from(["success", "error", "?"]), "messages": values}
    )
    entry = st.fixed_dictionaries(
        {"outputs": mostly(st.dictionaries(st.sampled_from(["3", "9"]), node, max_size=2))},
        optional={"status": mostly(status)},
    )
    return st.fixed_dictionaries({identifier: mostly(entry)})


queues = st.fixed_dictionaries(
    {
        "queue_running": mostly(st.sampled_from([[[1, RUN_ID]], []])),
        "queue_pending": mostly(st.sampled_from([[[2, RUN_ID], [1, "x"]], []])),
    }
)
# What each of them could say.
PLAUSIBLE = {
    "replicate": answers(
        ["starting", "processing", "succeeded", "failed", "canceled", "aborted"],
        output=outputs,
        error=words,
        logs=logs,
        metrics=metrics,
        data_removed=st.booleans(),
    ),
    "fal": answers(
        ["IN_QUEUE", "IN_PROGRESS", "COMPLETED", "FAILED"],
        video=outputs,
        images=outputs,
        logs=mostly(st.lists(st.fixed_dictionaries({"message": logs}), max_size=3)),
        queue_position=scalars,
        detail=words | st.lists(st.fixed_dictionaries({"type": scalars, "msg": words})),
        error_type=scalars,
    ),
    "polza": answers(
        ["pending", "processing", "completed", "failed", "cancelled"],
        data=outputs,
        error=mostly(st.fixed_dictionaries({"code": scalars, "message": words})),
        usage=mostly(st.fixed_dictionaries({"cost_rub": scalars})),
    ),
    "comfyui": history(RUN_ID) | queues,
}
statuses = st.sampled_from([200] * 12 + [202, 204, 400, 401, 403, 404, 422, 429, 499, 500, 503])
garbage = st.one_of(
    st.tuples(statuses, values.map(lambda body: json.dumps(body).encode())),
    st.tuples(st.sampled_from([200, 502]), st.binary(max_size=20) | st.just(b"<html>")),
    st.just((0, b"")),
)


def replies(name: str) -> st.SearchStrategy[tuple[int, bytes]]:
    """Status and body of an answer; 0 cuts the connection."""
    sensible = PLAUSIBLE[name].map(lambda body: json.dumps(body).encode())
    shaped = st.tuples(statuses, sensible)
    return st.integers(0, 4).flatmap(lambda chance: garbage if chance == 4 else shaped)


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    api = Api()
    yield api
    api.server.shutdown()
    api.server.server_close()


@pytest.fixture(params=sorted(PATHS), scope="module")
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def scripted(api: Api, said: list[tuple[int, bytes]]) -> None:
    """The next answers; the last one is repeated."""
    played: list[Answer] = [answer(status, body) if status else drop for status, body in said]
    api.script, api.got = played, []


@MANY
@given(st.data())
def test_no_sequence_of_polls_raises_or_succeeds_without_a_file(
    api: Api, name: str, data: st.DataObject
) -> None:
    said = data.draw(st.lists(replies(name), min_size=1, max_size=6))
    scripted(api, said)
    adapter = engine(name, api.url, patience=ONCE)
    run = Run(recipe(name, data.draw(st.sampled_from(["video", "image"]))), RUN_ID)
    heard = b" ".join(body for _, body in said).decode(errors="replace")
    for _ in range(len(said)):
        seen = adapter.poll(run)
        assert isinstance(seen, get_args(Poll)), seen
        if isinstance(seen, Succeeded):
            address = seen.file.address
            if name == "comfyui":
                suffix = {"video": "mp4", "image": "png"}[run.recipe.media_type]
                assert address.startswith(f"/view?filename=a.{suffix}&")
            else:
                assert address in GOOD and address in heard
            assert seen.cost is None or seen.cost.amount >= 0
        if isinstance(seen, Failed):
            assert len(seen.problem.code) <= 64 and len(seen.problem.detail) <= 300
            assert f"{seen.problem.code}{seen.problem.detail}".isprintable()


@MANY
@given(st.data())
def test_only_a_run_with_an_id_is_accepted_and_only_a_refusal_is_not(
    api: Api, name: str, data: st.DataObject
) -> None:
    status, body = data.draw(replies(name))
    identifier = data.draw(st.sampled_from(["gen_1", RUN_ID, "../account", "a b", ""]) | values)
    if body.startswith(b'{"'):
        keys = ("id", "request_id", "prompt_id")
        body = json.dumps({**json.loads(body), **dict.fromkeys(keys, identifier)}).encode()
    scripted(api, [(status, body)])
    adapter = engine(name, api.url, patience=ONCE)
    outcome = adapter.create(Order(uuid4(), recipe(name), PHOTO, prompt="a"), Path(__file__))
    assert isinstance(outcome, get_args(Create))
    if status in REFUSING:
        assert isinstance(outcome, NotAccepted)
    elif isinstance(outcome, Accepted):
        assert status in (200, 202) and outcome.external_id == identifier
        assert re.fullmatch(r"[\w-]+", outcome.external_id)
    else:
        assert isinstance(outcome, Ambiguous)
    assert len([verb for verb, _, _ in api.got if verb == "POST"]) == 1


def item(identifier: Any, photo: Any) -> dict[str, Any]:
    """A run as the three lists tell it."""
    return {
        "id": identifier,
        "request_id": identifier,
        "input": {"image": photo},
        "json_input": {"image": [photo]},
        "model": "kling/v2.5-turbo",
        "createdAt": utc().isoformat(),
    }


OURS, KNOWN, OTHER, BAD = "ours", "known", "other", "../account"
items = st.sampled_from(
    [
        item(OURS, PHOTO),
        item(KNOWN, PHOTO),
        item(OTHER, f"{PHOTO}x"),
        item(OTHER, f"x{PHOTO}"),
        item(BAD, PHOTO),
        item(None, PHOTO),
        {**item(OTHER, PHOTO), "createdAt": "2026-01-01T00:00:00", "input": {}, "json_input": None},
    ]
)
pages = st.lists(items, max_size=4)
lists = st.fixed_dictionaries(
    {
        "results": pages,
        "items": pages,
        "next": st.sampled_from([None, "https://elsewhere.test/x?cursor=1"]) | values,
        "has_more": st.booleans(),
        "next_cursor": scalars,
    }
)


@MANY
@given(st.lists(mostly(lists), min_size=1, max_size=3))
def test_no_list_makes_another_run_ours(api: Api, name: str, said: list[Any]) -> None:
    scripted(api, [(200, json.dumps(body).encode()) for body in [*said, {}]])
    adapter = engine(name, api.url, patience=ONCE)
    order = Order(uuid4(), recipe(name), PHOTO)
    found = adapter.find(order, sent_at=utc(), known_ids=frozenset({KNOWN}))
    assert isinstance(found, get_args(Find))
    if isinstance(found, Accepted):
        # Polza shows no input: what is the only one left there is ours.
        assert found.external_id == OURS or (name == "polza" and found.external_id == OTHER)
    elsewhere = [headers["host"] for _, headers, _ in api.got]
    assert set(elsewhere) <= {api.url.removeprefix("http://")}


@MANY
@given(st.data())
def test_nothing_else_raises_either(api: Api, name: str, data: st.DataObject) -> None:
    said = data.draw(replies(name))
    adapter = engine(name, api.url, patience=ONCE)
    scripted(api, [said])
    assert isinstance(adapter.health(), Health)
    scripted(api, [said])
    ended = adapter.cancel(Run(recipe(name), RUN_ID))
    assert ended is None or isinstance(ended, Unanswered)
    scripted(api, [said])
    uploaded = adapter.upload(uuid4(), Path(__file__))
    assert isinstance(uploaded, get_args(Upload))
    if isinstance(uploaded, Uploaded):
        assert uploaded.reference
