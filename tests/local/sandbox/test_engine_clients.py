"""The simulated Replicate and fal are true to the wire: their official clients notice nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fal_client
import fal_client.client
import pytest
import replicate
import requests
from replicate.exceptions import ModelError, ReplicateError

from local.sandbox import Options
from tests.payment_world import Sandbox
from tests.sandboxes import is_video

KLING = "kwaivgi/kling-v2.5-turbo-pro"
KEYS = Options()


def script(world: Sandbox, engine: str, **changes: object) -> None:
    world.control("POST", f"/{engine}/scripts", **changes)


# Replicate


@pytest.fixture
def client(world: Sandbox) -> replicate.Client:
    made = replicate.Client(api_token=KEYS.replicate_api_token, base_url=f"{world.url}/replicate")
    made.poll_interval = 0.01
    return made


def test_replicate_runs_a_model_from_a_file_to_a_file(
    world: Sandbox, client: replicate.Client, photo: Path
) -> None:
    with photo.open("rb") as file:
        output = client.run(KLING, input={"prompt": "waves", "start_image": file})
    assert is_video(requests.get(output).content)
    (made,) = world.control("GET", "/replicate/runs")
    assert made["photo"]["width"] == 480


def test_replicate_answers_a_list_where_the_model_does(
    client: replicate.Client, photo: Path
) -> None:
    uploaded = client.files.create(photo)
    assert uploaded.urls["get"].endswith(uploaded.id)
    version = "fofr/live-portrait:" + "a" * 64
    made = client.predictions.create(version=version, input={"face_image": uploaded.urls["get"]})
    made.wait()
    assert isinstance(made.output, list) and made.metrics


def test_a_prediction_goes_through_all_its_states(
    world: Sandbox, client: replicate.Client, photo: Path
) -> None:
    script(world, "replicate", queue_seconds=10, run_seconds=100)
    url = client.files.create(photo).urls["get"]
    made = client.models.predictions.create(
        model=("kwaivgi", "kling-v2.5-turbo-pro"), input={"prompt": "a", "start_image": url}
    )
    assert made.status == "starting" and made.output is None
    world.control("POST", "/clock", advance_seconds=60)
    made.reload()
    assert made.status == "processing"
    progress = made.progress
    assert progress is not None and progress.total == 100 and 45 <= progress.current <= 55
    world.control("POST", "/clock", advance_seconds=60)
    made.reload()
    output: Any = made.output
    assert made.status == "succeeded"
    assert is_video(requests.get(output).content), "the file needs no token"
    world.control("POST", "/clock", advance_seconds=3700)
    old = client.predictions.get(made.id)
    assert old.output is None and requests.get(output).status_code == 404


def test_a_prediction_is_canceled_and_found_in_the_list(
    world: Sandbox, client: replicate.Client, photo: Path
) -> None:
    url = client.files.create(photo).urls["get"]
    script(world, "replicate", run_seconds=100)
    made = client.predictions.create(version=KLING, input={"start_image": url})
    assert client.predictions.cancel(made.id).status == "canceled"
    for _ in range(103):
        client.predictions.create(version=KLING, input={"start_image": url})
    first = client.predictions.list()
    assert len(first) == 100 and first.next
    second = client.predictions.list(first.next)
    assert [each.id for each in second][-1] == made.id and second.next is None


@pytest.mark.parametrize(
    ("end", "words"),
    [("refused", "E005"), ("infrastructure", "code: PA"), ("failed", "ValueError")],
)
def test_a_failure_is_told_in_the_words_of_replicate(
    world: Sandbox, client: replicate.Client, photo: Path, end: str, words: str
) -> None:
    script(world, "replicate", end=end)
    with photo.open("rb") as file, pytest.raises(ModelError, match=words):
        client.run(KLING, input={"start_image": file})


def test_replicate_refuses_what_the_real_one_refuses(
    world: Sandbox, client: replicate.Client
) -> None:
    stranger = replicate.Client(api_token="r8_x", base_url=f"{world.url}/replicate")
    cases = [
        (401, lambda: stranger.predictions.list()),
        (404, lambda: client.predictions.get("nothing")),
        (404, lambda: client.models.predictions.create(model="nobody/x", input={})),
        (422, lambda: client.predictions.create(version="nonsense", input={})),
    ]
    for status, call in cases:
        with pytest.raises(ReplicateError) as refused:
            call()
        assert refused.value.status == status and refused.value.detail
    world.control("PUT", "/replicate/account", state="no_credit")
    with pytest.raises(ReplicateError, match="insufficient credit"):
        client.predictions.create(version=KLING, input={})
    assert client.accounts.current().username == "sandbox"


def test_a_deadline_aborts_what_has_not_started_and_cancels_what_has(
    world: Sandbox, client: replicate.Client, photo: Path
) -> None:
    url = client.files.create(photo).urls["get"]
    ends = {}
    for waiting in (600, 1):
        script(world, "replicate", queue_seconds=waiting, run_seconds=600)
        made = requests.post(
            f"{world.url}/replicate/v1/models/{KLING}/predictions",
            json={"input": {"start_image": url}},
            headers={"Authorization": f"Bearer {KEYS.replicate_api_token}", "Cancel-After": "1m"},
        ).json()
        world.control("POST", "/clock", advance_seconds=90)
        ends[waiting] = requests.get(
            made["urls"]["get"], headers={"Authorization": f"Bearer {KEYS.replicate_api_token}"}
        ).json()["status"]
    assert ends == {600: "aborted", 1: "canceled"}


# fal


@pytest.fixture
def fal(world: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[fal_client.SyncClient]:
    """The official client; its hosts are constants, and it knows no plain http."""
    client = fal_client.client
    monkeypatch.setattr(client, "QUEUE_URL_FORMAT", f"{world.url}/fal/")
    monkeypatch.setattr(client, "REST_URL", f"{world.url}/fal/rest")
    monkeypatch.setattr(client, "CDN_URL", f"{world.url}/fal/cdn")
    yield fal_client.SyncClient(key=KEYS.fal_key)


FAL_KLING = "fal-ai/kling-video/v2.5-turbo/standard/image-to-video"


def test_fal_runs_a_model_from_an_upload_to_a_file(
    world: Sandbox, fal: fal_client.SyncClient, photo: Path
) -> None:
    url = fal.upload_file(photo)
    assert requests.get(url).content == photo.read_bytes()
    script(world, "fal", queue_seconds=10, run_seconds=60)
    handle = fal.submit(FAL_KLING, {"prompt": "waves", "image_url": url})
    assert isinstance(handle.status(), fal_client.Queued)
    world.control("POST", "/clock", advance_seconds=40)
    running = handle.status(with_logs=True)
    assert isinstance(running, fal_client.InProgress) and running.logs
    world.control("POST", "/clock", advance_seconds=40)
    assert isinstance(handle.status(), fal_client.Completed)
    assert is_video(requests.get(handle.get()["video"]["url"]).content)
    again = fal.get_handle(FAL_KLING, handle.request_id)
    assert again.status_url == handle.status_url, "paths follow from the id, as we rely on"


@pytest.mark.parametrize(
    ("end", "status", "kind"),
    [
        ("refused", 422, "content_policy_violation"),
        ("infrastructure", 500, "internal_server_error"),
    ],
)
def test_a_failed_run_of_fal_is_completed_and_its_result_is_the_error(
    world: Sandbox, fal: fal_client.SyncClient, photo: Path, end: str, status: int, kind: str
) -> None:
    url = fal.upload_file(photo)
    script(world, "fal", end=end)
    handle = fal.submit(FAL_KLING, {"image_url": url})
    completed = handle.status()
    assert isinstance(completed, fal_client.Completed) and completed.error_type == kind
    with pytest.raises(fal_client.FalClientHTTPError) as failed:
        handle.get()
    assert failed.value.status_code == status
    assert failed.value.response.headers["X-Fal-Error-Type"] == kind


def test_fal_is_locked_without_money_and_cancels(
    world: Sandbox, fal: fal_client.SyncClient, photo: Path
) -> None:
    url = fal.upload_file(photo)
    script(world, "fal", run_seconds=100)
    handle = fal.submit(FAL_KLING, {"image_url": url})
    handle.cancel()
    with pytest.raises(fal_client.FalClientHTTPError) as canceled:
        handle.get()
    assert canceled.value.status_code == 499
    world.control("PUT", "/fal/account", state="no_credit")
    with pytest.raises(fal_client.FalClientHTTPError, match="Exhausted balance") as locked:
        fal.submit(FAL_KLING, {"image_url": url})
    assert locked.value.status_code == 403
    with pytest.raises(fal_client.FalClientHTTPError):
        fal_client.SyncClient(key="a:b").submit(FAL_KLING, {})
