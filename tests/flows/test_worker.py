"""The worker as processes on a real queue: killed, stopped, starved of input."""

from __future__ import annotations

import io
import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import func, select, update

import settings
from db import snapshot, transaction
from db.models import Data, Job, Transaction
from db.types import now
from errors import ApiError
from local import ports
from local.processes import Child
from providers import registry
from services import data, jobs, ledger, locked_payments, payments
from telemetry import logs, metrics
from telemetry.metrics.scrape import count_error_lines, exposition
from tests.factories import balance, make_job, make_user, stored_image
from tests.job_steps import hurry_retries, live_jobs
from tests.scraping import Scraped, ask, scrape
from tests.wire import wait_until
from tests.workers import start_worker, working
from worker import check, duties, heartbeat
from worker.heartbeat import Heartbeat, Signs
from worker.loop import Worker
from workflows import dispatch, files, reconciler

PRICE, KILLS = 5, 4

pytestmark = pytest.mark.usefixtures("no_rows")  # with an empty queue


def test_kill_9_of_workers_under_load_loses_no_job_and_no_token(chance, tmp_path):
    users = [make_user(PRICE * 5 * KILLS) for _ in range(3)]
    picture = stored_image(b"risky")
    ordered = []
    with ExitStack() as stack:

        def join() -> Child:
            worker = start_worker(tmp_path)
            stack.callback(worker.kill)
            return worker

        crew = [join() for _ in range(3)]
        for _ in range(KILLS):
            ordered += [make_job(user.id, data_id=picture.id).id for user in users for _ in "12345"]
            left = live_jobs()
            # After it has worked a little: killing a worker during its imports proves nothing.
            wait_until(lambda left=left: hurry_retries() or live_jobs() < left)
            time.sleep(chance.uniform(0, 0.5))
            crew.pop(chance.randrange(len(crew))).kill()
            crew.append(join())
        wait_until(lambda: hurry_retries() or not live_jobs())
    with transaction() as session:
        ended = session.execute(
            select(Job.status, func.count()).where(Job.id.in_(ordered)).group_by(Job.status)
        ).all()
        refunds = session.scalar(
            select(func.count()).where(
                Transaction.job_id.in_(ordered), Transaction.type == "refund"
            )
        )
    outcome = {str(status): number for status, number in ended}
    assert set(outcome) <= {"done", "failed"} and sum(outcome.values()) == len(ordered)
    assert refunds == outcome.get("failed", 0)
    left = sum(balance(user.id) for user in users)
    assert left == PRICE * outcome.get("failed", 0)
    with snapshot() as session:
        assert not any(ledger.violations(session).values())


def test_a_result_is_stored_and_can_be_read_back(tmp_path):
    user = make_user(PRICE)
    with logs.about("of-the-order"):
        job = make_job(user.id, data_id=stored_image(b"abc").id)
    port = ports.reserve()
    watched = {"METRICS_ADDRESS": f"127.0.0.1:{port}", "METRICS_TOKEN": "token"}
    with working(tmp_path, **watched) as worker:
        wait_until(lambda: not live_jobs())
        wait_until(lambda: "job done" in worker.said())
        labels = {"engine": "embedded", "service": "restore", "outcome": "done"}
        seen = scrape(port, "token")
        assert seen.value("job_attempts_total", **labels) == 1
        assert seen.value("engine_seconds_count", **labels) == 1
        assert seen.value("job_wait_seconds_count", service="restore") == 1
        assert seen.value("duty_last_success_timestamp_seconds", duty="draw lotteries")
        assert [ask(port).status_code, ask(port, "token", "/").status_code] == [401, 404]
    # A customer's complaint names the request; the lines about what it ordered have its id.
    lines = [line for line in worker.said().splitlines() if str(job.id) in line]
    assert lines and all('"request_id":"of-the-order"' in line for line in lines)
    with transaction() as session:
        done = jobs.get(session, job.id)
    with registry.storage().open(str(done.result_key)) as file:
        assert file.read() == b"abcdone"
    assert done.meta["engine"] == "quick"


def test_a_photo_that_has_gone_fails_the_job_with_its_reason():
    user = make_user(PRICE)
    picture = stored_image(b"abc")
    job = make_job(user.id, data_id=picture.id)
    registry.storage().delete(picture.storage_key)
    assert Worker("here").run_once()
    with transaction() as session:
        assert jobs.get(session, job.id).meta["error"]["code"] == "input_gone"
    assert balance(user.id) == PRICE


def test_a_job_for_an_engine_of_another_version_waits_for_a_worker_that_has_it():
    job = make_job(make_user(PRICE).id, data_id=stored_image(b"abc").id)
    with transaction() as session:
        session.execute(update(Job).where(Job.id == job.id).values(engine="of-tomorrow"))
    assert not Worker("here").run_once()
    assert dispatch.order_due(Random(1)) == 0
    with transaction() as session:
        assert jobs.get(session, job.id).status == "queued"


def test_a_job_that_meets_an_error_of_ours_does_not_end_the_worker(
    caplog: pytest.LogCaptureFixture,
):
    user = make_user(PRICE)
    job = make_job(user.id, data_id=stored_image(b"abc").id)
    worker = Worker("here")
    with transaction() as session:
        session.execute(update(Job).where(Job.id == job.id).values(input=[{"type": "image"}]))
    for _ in range(settings.load().job_max_attempts):
        hurry_retries()
        assert worker.run_once()
    with transaction() as session:
        ended = jobs.get(session, job.id)
    assert (ended.status, ended.meta["error"]["code"]) == ("failed", "engine_crashed")
    assert balance(user.id) == PRICE
    assert "unexpected error while processing a job" in caplog.text


def test_sigterm_lets_the_job_in_hand_end_and_takes_no_other(tmp_path):
    user = make_user(PRICE * 2)
    picture = stored_image(b"slow")
    first, second = (make_job(user.id, data_id=picture.id).id for _ in range(2))

    def status(job_id):
        with transaction() as session:
            return jobs.get(session, job_id).status

    with working(tmp_path) as worker:
        wait_until(lambda: status(first) == "processing")
        assert worker.stop() and worker.exit_code() == 0
    assert (status(first), status(second)) == ("done", "queued")
    left = (settings.load().state_dir / heartbeat.FOLDER).glob(f"*-{worker.pid}")
    assert not list(left)  # a worker that stops in order is missed by no check


def test_a_disk_that_is_away_keeps_no_worker_from_starting_and_waiting(tmp_path: Path):
    broken = tmp_path / "files"
    broken.write_text("not a folder")
    user = make_user(PRICE)
    picture = stored_image(b"quick")
    job_id = make_job(user.id, data_id=picture.id).id

    def is_in(status: str) -> bool:
        with transaction() as session:
            job = jobs.get(session, job_id)
            return job.status == status and job.attempt > 0

    with working(tmp_path, STATE_DIR=str(tmp_path)) as worker:
        worker.wait_until(lambda: is_in("queued"), 60)  # tried, and put back for later
        broken.unlink()
        broken.symlink_to(settings.load().state_dir / "files")
        worker.wait_until(lambda: hurry_retries() or is_in("done"), 60)


def test_what_a_killed_worker_left_of_a_photo_is_deleted(tmp_path: Path):
    work = tmp_path / "work"
    work.mkdir()
    user = make_user(PRICE)
    make_job(user.id, data_id=stored_image(b"slow").id)
    with start_worker(tmp_path, TMPDIR=str(work)) as worker:
        worker.wait_until(lambda: list(work.glob("*/input")), 60)
        worker.kill()
    [left] = work.iterdir()
    young = work / f"{left.name}-of-another-worker"
    young.mkdir()
    long_ago = time.time() - 2 * 3600
    os.utime(left, (long_ago, long_ago))
    with working(tmp_path, TMPDIR=str(work)):
        wait_until(lambda: not left.exists())
    assert young.exists()


def test_abandoned_uploads_are_forgotten_with_their_bytes(tmp_path):
    with transaction() as session:
        row = data.reserve(
            session, "image", content_type="image/jpeg", now=now().replace(year=2020)
        )
    registry.storage().put(row.storage_key, io.BytesIO(b"x"), content_type="image/jpeg")
    with working(tmp_path):
        wait_until(lambda: registry.storage().head(row.storage_key) is None)
    with transaction() as session:
        assert session.get(Data, row.id).status == "deleted"


def test_a_turn_deletes_more_files_than_one_transaction_marks():
    old = now().replace(year=2019)
    with transaction() as session:
        rows = [
            data.reserve(session, "image", content_type="image/jpeg", now=old)
            for _ in range(2 * data.AT_ONCE + 1)
        ]
    files.delete_expired()
    with transaction() as session:
        left = select(func.count()).where(
            Data.id.in_([row.id for row in rows]), Data.deleted_at.is_(None)
        )
        assert session.scalar(left) == 0


def test_a_slow_provider_ends_the_turn_of_asking_about_payments(monkeypatch: pytest.MonkeyPatch):
    user = make_user()
    with transaction() as session:
        for provider in ("yookassa", "stripe"):
            payment = payments.open(
                session,
                user.id,
                amount_rub=Decimal(200),
                provider=provider,
                plan=None,
                now=now(),
            )
            locked_payments.change(session, payment.id, next_check_at=now().replace(year=2018))
    monkeypatch.setattr(reconciler, "TURN_SECONDS", 0)
    assert reconciler.check_due() == 1
    monkeypatch.undo()
    assert reconciler.check_due() >= 1


def test_a_duty_that_fails_unexpectedly_leaves_the_others_to_their_work(
    caplog: pytest.LogCaptureFixture,
):
    def stumble() -> int:
        return 1 // 0

    metrics.start(None)
    count_error_lines()
    turns: list[int] = []
    stumbling = duties.Duty("stumble", 0, stumble)
    worker = Worker("here")
    worker._duties = [stumbling, duties.Duty("count", 0, lambda: turns.append(1) or 0)]
    worker._run_due_duties()
    worker._run_due_duties()
    logging.getLogger().handlers.pop()  # the one that counts
    assert turns == [1, 1]
    assert "duty stumble failed unexpectedly" in caplog.text
    seen = Scraped(exposition().decode())
    moment = "duty_last_success_timestamp_seconds"
    assert seen.value(moment, duty="stumble") is None and seen.value(moment, duty="count")
    assert seen.value("duty_seconds_count", duty="stumble") == 2
    assert seen.value("log_errors_total", logger="worker") == 2
    away = duties.Duty("ask", 0, lambda: _raise(ApiError("service_unavailable")))
    with pytest.raises(ApiError):
        away.run_if_due()


def _raise(error: Exception) -> int:
    raise error


def said_by_the_check(*, silence: float, **environ: str) -> tuple[int, str]:
    """Exit code and words of `python -m worker.check`, as a container engine would run it."""
    command = [sys.executable, "-m", "worker.check", "--silence", str(silence)]
    environ = {**os.environ, **environ}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


def test_a_check_tells_a_frozen_worker_from_one_that_is_long_at_a_photo(tmp_path: Path):
    state_dir = settings.load().state_dir
    make_job(make_user(PRICE).id, data_id=stored_image(b"endless").id)
    with start_worker(tmp_path) as worker:

        def signs() -> Signs | None:
            of_all = heartbeat.of_this_machine(state_dir)
            return next((each for each in of_all if each.pid == worker.pid), None)

        def long_at_a_photo() -> bool:
            seen = signs()
            return seen is not None and seen.seen_at - seen.turned_at > 3

        worker.wait_until(long_at_a_photo, 60)
        worker.wait_until(lambda: said_by_the_check(silence=3) == (0, ""), 60)
        of_all = heartbeat.of_this_machine(state_dir)
        (of_a_photo,) = check.faults(of_all, now=time.time(), silence_seconds=3600, photo_seconds=3)
        assert "hangs: it has been at one photo for" in of_a_photo

        worker.send_signal(signal.SIGSTOP)
        worker.wait_until(lambda: said_by_the_check(silence=3)[0] == 1, 60)
        assert f"worker {worker.pid} is frozen or hangs" in said_by_the_check(silence=3)[1]
        worker.send_signal(signal.SIGCONT)
        worker.wait_until(lambda: said_by_the_check(silence=3) == (0, ""), 60)
        worker.kill()
    assert said_by_the_check(silence=3) == (1, "no worker runs here\n")
    assert not list((state_dir / heartbeat.FOLDER).iterdir())


def test_a_worker_that_is_just_beginning_does_not_fail_the_check_of_others(tmp_path: Path):
    with Heartbeat(tmp_path):
        (mine,) = heartbeat.of_this_machine(tmp_path)
        (path,) = (tmp_path / heartbeat.FOLDER).iterdir()
        path.with_name(f"{path.name.rpartition('-')[0]}-{os.getppid()}").touch()
        (seen,) = heartbeat.of_this_machine(tmp_path)
        assert (seen.pid, mine.pid) == (os.getpid(), os.getpid())


@pytest.mark.parametrize(
    ("turned", "seen", "said"),
    [
        (119, 119, None),  # a duty that takes its time
        (121, 121, "no sign of it for 121 s"),
        (239, 1, None),  # at a photo, its lease beats
        (241, 1, "it has been at one photo for 241 s"),
    ],
)
def test_a_worker_is_given_up_by_how_long_ago_its_loop_went_on_and_its_lease_beat(
    turned: int, seen: int, said: str | None
):
    signs = Signs(pid=7, turned_at=1000 - turned, seen_at=1000 - seen)
    found = list(check.faults([signs], now=1000, silence_seconds=120, photo_seconds=240))
    assert [fault.partition(": ")[2] for fault in found] == ([said] if said else [])
