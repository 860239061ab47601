"""A result is fetched from where it may be, without our key, and is what it claims to be."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

import pytest

from providers.engine.remote import (
    Charged,
    Downloaded,
    Failed,
    RemoteFile,
    Run,
    Trouble,
    Unanswered,
)
from providers.engine.remote import fal as fal_module
from providers.engine.remote import polza as polza_module
from providers.engine.remote import replicate as replicate_module
from providers.engine.remote.results import Results
from providers.fetch import Home
from tests.providers.engine.remote.conftest import EngineWorld, engine, recipe
from tests.wire import IN_TIME_SECONDS

METADATA_SERVICE = "http://169.254.169.254/latest/meta-data/"


@pytest.mark.parametrize("media", ["video", "image"])
@pytest.mark.parametrize("file", ["expired", "html", "empty", "wrong"])
def test_a_file_that_is_no_result_was_paid_for_nothing(
    world: EngineWorld, file: str, media: Literal["video", "image"], tmp_path: Path
) -> None:
    run, seen = world.succeed(media, file=file)
    fetched = world.engine.fetch(run, seen.file, tmp_path / "result")
    assert isinstance(fetched, Failed)
    assert fetched.problem.trouble is Trouble.NO_RESULT
    paid = Charged.NO if world.name == "comfyui" else Charged.YES
    assert fetched.charged is paid
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file", ["huge", "endless"])
def test_a_file_without_end_is_not_taken(world: EngineWorld, file: str, tmp_path: Path) -> None:
    run, seen = world.succeed("image", file=file)
    started = time.monotonic()
    fetched = world.engine.fetch(run, seen.file, tmp_path / "result")
    assert isinstance(fetched, Failed) and fetched.problem.code == "url_too_large"
    assert time.monotonic() - started < IN_TIME_SECONDS
    assert list(tmp_path.iterdir()) == []


def test_a_connection_that_breaks_is_worth_another_try(world: EngineWorld, tmp_path: Path) -> None:
    run, seen = world.succeed(file="broken")
    target = tmp_path / "result"
    assert isinstance(world.engine.fetch(run, seen.file, target), Unanswered)
    assert not target.exists()
    for script in ({"kind": "drop"}, {"kind": "status", "status": 503}):
        run, seen = world.succeed()
        world.fault(call="file", **script)
        assert isinstance(world.engine.fetch(run, seen.file, target), Unanswered)
        assert isinstance(world.engine.fetch(run, seen.file, target), Downloaded)
    assert world.creates == 3


@pytest.mark.parametrize("file", ["untyped", "redirect"])
def test_what_the_other_side_calls_it_does_not_matter(
    world: EngineWorld, file: str, tmp_path: Path
) -> None:
    run, seen = world.succeed(file=file)
    fetched = world.engine.fetch(run, seen.file, tmp_path / "result")
    assert isinstance(fetched, Downloaded) and fetched.content_type == "video/mp4"


def test_a_redirect_into_a_network_is_not_followed(world: EngineWorld, tmp_path: Path) -> None:
    run, seen = world.succeed(file="away")
    fetched = world.engine.fetch(run, seen.file, tmp_path / "result")
    assert isinstance(fetched, Failed) and fetched.problem.code == "url_not_allowed"


@pytest.mark.parametrize("shape", ["text", "list", "object"])
def test_the_output_may_have_any_shape(world: EngineWorld, shape: str, tmp_path: Path) -> None:
    run, seen = world.succeed(shape=shape)
    assert isinstance(world.engine.fetch(run, seen.file, tmp_path / "result"), Downloaded)


def test_a_file_on_the_host_of_nobody_we_know_is_not_fetched(
    world: EngineWorld, tmp_path: Path
) -> None:
    run, seen = world.succeed(file="foreign")
    fetched = world.engine.fetch(run, seen.file, tmp_path / "result")
    if world.name == "comfyui":  # which gives names, not addresses
        assert isinstance(fetched, Downloaded)
        return
    assert isinstance(fetched, Failed) and fetched.problem.code == "url_not_allowed"
    assert world.counters["calls"].get("file", 0) == 0


REAL = {
    "replicate": (replicate_module.HOSTS, "https://api.replicate.com/v1"),
    "fal": (fal_module.HOSTS, "https://queue.fal.run"),
    "polza": (polza_module.HOSTS, "https://polza.ai/api/v1"),
    "comfyui": ((), "http://10.0.0.5:8188"),
}


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize(
    "url",
    [
        METADATA_SERVICE,
        "http://127.0.0.1:8000/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://10.0.0.6/",
        "http://10.0.0.5:8189/",
        "https://evil-replicate.delivery/x",
        "https://replicate.delivery.example.com/x",
        "https://fal.media.example.com/x",
        "https://fal.media@10.0.0.1/x",
        "https://polza.ai:8443/x",
        "http://replicate.delivery/x",
        "http://v3.fal.media/x",
        "http://cdn.polza.ai/x",
        "https://replicate.com/x",
        "ftp://replicate.delivery/x",
        "file:///etc/passwd",
        "",
        "not an address",
    ],
)
def test_with_the_real_services_no_other_address_opens(name: str, url: str, tmp_path: Path) -> None:
    hosts, base_url = REAL[name]
    fetched = Results(hosts, Home(base_url)).fetch(
        url, tmp_path / "result", "video", charged=Charged.YES
    )
    assert isinstance(fetched, Failed) and fetched.problem.code == "url_not_allowed"


def test_the_run_of_one_engine_cannot_send_us_to_another_port(
    world: EngineWorld, tmp_path: Path
) -> None:
    run, _ = world.succeed()
    host = world.sandbox.url.rpartition(":")[0]
    for address in (f"{host}:9/x", world.sandbox.url.replace("127.0.0.1", "localhost") + "/x"):
        fetched = world.engine.fetch(run, RemoteFile(address), tmp_path / "result")
        # ComfyUI's are paths on its own server, whatever they contain.
        assert isinstance(fetched, Failed)


def test_an_hour_later_nothing_is_left_at_replicate(world: EngineWorld, tmp_path: Path) -> None:
    if world.name != "replicate":
        pytest.skip("the others keep files for days")
    run, seen = world.succeed()
    world.wait(3700)
    late = world.engine.poll(run)
    assert isinstance(late, Failed)
    assert (late.problem.trouble, late.problem.code) == (Trouble.NO_RESULT, "data_removed")
    assert late.charged is Charged.YES and late.cost is not None
    assert isinstance(world.engine.fetch(run, seen.file, tmp_path / "result"), Failed)


def test_a_restart_of_comfyui_forgets_its_runs(world: EngineWorld) -> None:
    if world.name != "comfyui":
        pytest.skip("the others remember")
    run = world.start(run_seconds=60)
    world.control("POST", "/restart")
    gone = world.engine.poll(run)
    assert not hasattr(gone, "file") and type(gone).__name__ == "Gone"


def test_a_host_that_cannot_be_trusted_is_no_verdict_about_the_run(tmp_path: Path) -> None:
    adapter = engine("replicate", "http://127.0.0.1:9")
    fetched = adapter.fetch(
        Run(recipe("replicate"), "a"),
        RemoteFile("http://127.0.0.1:9/replicate/v1/x"),
        tmp_path / "result",
    )
    assert isinstance(fetched, Unanswered)
