"""However a job ends, nothing of it is left and the worker learns why."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from local.processes import Child, Program
from providers.engine import ENGINE_CODES, EngineError
from providers.engine.embedded import EmbeddedEngine

ROOT = Path(__file__).parents[3]


def family(parent: int | None = None) -> list[psutil.Process]:
    """Engine processes below `parent` (this process by default): the child and its encoder."""
    names = []
    for process in psutil.Process(parent).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended since it was listed
            command = " ".join(process.cmdline())
            if "providers.engine.embedded.child" in command or "libx264" in command:
                names.append(process)
    return names


def encoder(processes: list[psutil.Process]) -> psutil.Process:
    return next(process for process in processes if "libx264" in process.cmdline())


def failure(engine: EmbeddedEngine, photo: Path, workdir: Path, **options) -> EngineError:
    with pytest.raises(EngineError) as failed:
        engine.run(
            options.pop("service_type", "animate"),
            photo,
            workdir=workdir,
            progress=options.pop("progress", lambda percent: None),
            **options,
        )
    assert failed.value.message == ENGINE_CODES[failed.value.code][0]
    return failed.value


def wait_until_gone(processes: list[psutil.Process], seconds: float = 60.0) -> None:
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    running = [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    assert not running


def test_a_job_over_its_time_is_killed(samples, tmp_path):
    error = failure(EmbeddedEngine(timeout_seconds=1), samples / "portrait.jpg", tmp_path)
    assert (error.code, error.retryable) == ("engine_timeout", True)
    assert not family()


def test_a_stopped_job_takes_even_a_hung_encoder_along(samples, tmp_path):
    seen: list[psutil.Process] = []

    def hang_encoder(percent: int) -> None:
        if percent >= 30 and not seen:
            seen.extend(family())
            encoder(seen).suspend()

    error = failure(
        EmbeddedEngine(),
        samples / "no_face_cup.jpg",
        tmp_path,
        progress=hang_encoder,
        should_stop=lambda: bool(seen),
    )
    assert (error.code, error.retryable) == ("stopped", True)
    assert len(seen) == 2, "child and encoder were running"
    wait_until_gone(seen)


def test_a_job_over_its_memory_is_killed(samples, tmp_path):
    error = failure(EmbeddedEngine(memory_mb=60), samples / "portrait.jpg", tmp_path)
    assert (error.code, error.retryable) == ("engine_memory", False)
    assert not family()


def test_a_decompression_bomb_is_refused_within_little_memory(samples, tmp_path):
    error = failure(EmbeddedEngine(memory_mb=200), samples / "bad_bomb_20000x20000.png", tmp_path)
    assert error.code == "image_too_large"


def test_one_giant_allocation_is_refused_by_the_child_itself():
    script = """
        from providers.engine.embedded import child
        child.confine(timeout_seconds=10, memory_mb=100)
        try:
            bytearray(2 * 1024 ** 3)
        except MemoryError:
            print("refused")
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert run.stdout.strip() == "refused"


def test_a_child_killed_from_outside_is_a_crash_worth_another_try(samples, tmp_path):
    def kill(percent: int) -> None:
        if percent >= 30:
            for process in family():
                with contextlib.suppress(psutil.NoSuchProcess):  # killed at the progress before
                    if "child" in " ".join(process.cmdline()):
                        process.kill()

    error = failure(EmbeddedEngine(), samples / "no_face_cup.jpg", tmp_path, progress=kill)
    assert (error.code, error.retryable) == ("engine_crashed", True)
    assert "-9" in error.detail
    assert not family()


def test_an_encoder_killed_from_outside_is_a_crash_too(samples, tmp_path):
    killed: list[psutil.Process] = []

    def kill(percent: int) -> None:
        if percent >= 30 and not killed:
            killed.append(encoder(family()))
            killed[0].kill()

    error = failure(EmbeddedEngine(), samples / "no_face_cup.jpg", tmp_path, progress=kill)
    assert (error.code, error.retryable) == ("engine_crashed", True)
    assert "encoder" in error.detail
    assert not family()


def test_a_worker_killed_in_mid_job_leaves_nothing_running(samples, tmp_path):
    script = f"""
        from pathlib import Path
        from providers.engine.embedded import EmbeddedEngine
        EmbeddedEngine().run(
            "animate", Path({str(samples / "no_face_cup.jpg")!r}), workdir=Path({str(tmp_path)!r}),
            progress=lambda percent: print(percent, flush=True),
        )
    """
    program = Program("worker", ("-c", textwrap.dedent(script)), stop_seconds=0)
    with Child(program, environ=os.environ, logs=tmp_path) as worker:
        worker.wait_until(lambda: max(map(int, ["0", *worker.said().split()])) >= 30, 60)
        running = family(worker.pid)
        assert len(running) == 2
        encoder(running).suspend()
        worker.send_signal(signal.SIGKILL)  # to it alone
        wait_until_gone(running)


def test_an_error_of_the_caller_also_ends_the_job(samples, tmp_path):
    def lose_the_lease(percent: int) -> None:
        raise LookupError("lease lost")

    with pytest.raises(LookupError):
        EmbeddedEngine().run(
            "animate", samples / "portrait.jpg", workdir=tmp_path, progress=lose_the_lease
        )
    assert not family()


def test_the_child_knows_no_secrets(samples, tmp_path, monkeypatch):
    monkeypatch.setenv("YOOKASSA_SECRET_KEY", "test_secret")
    environments: list[dict[str, str]] = []

    def look(percent: int) -> None:
        if not environments:
            environments.extend(process.environ() for process in family())

    EmbeddedEngine().run(
        "restore", samples / "tiny_portrait_150px.jpg", workdir=tmp_path, progress=look
    )
    assert environments and all("YOOKASSA_SECRET_KEY" not in names for names in environments)


def test_a_bug_in_the_child_reaches_the_log_and_not_the_customer(tmp_path):
    error = failure(EmbeddedEngine(), tmp_path / "missing.jpg", tmp_path, service_type="restore")
    assert error.code == "engine_crashed"
    assert "FileNotFoundError" in error.detail and "Traceback" in error.detail
    assert "missing" not in error.message


def test_a_refused_photo_keeps_its_code_through_the_process_border(samples, tmp_path):
    error = failure(EmbeddedEngine(), samples / "bad_truncated.jpg", tmp_path)
    assert (error.code, error.retryable) == ("image_truncated", False)


def test_a_service_nobody_offers_is_refused(samples, tmp_path):
    error = failure(EmbeddedEngine(), samples / "portrait.jpg", tmp_path, service_type="colourise")
    assert error.code == "service_unsupported"
