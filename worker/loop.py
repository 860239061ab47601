"""The loop: claims jobs, runs the engine, stores results, and performs the periodic duties."""

from __future__ import annotations

import logging
import shutil
import socket
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import settings
from db import notifications, reading, schema, transaction
from db.types import now
from errors import ApiError, with_reason
from providers import registry
from providers.engine import EngineError, Result
from providers.fetch import FetchFailed, FetchRefused, fetch
from providers.storage import ObjectMissing, StorageUnavailable
from services import data, media, queue
from services.queue import Claim
from services.results import Turn
from telemetry import logs, metrics, tracing
from worker.duties import DUTIES, WORK_PREFIX, Duty
from worker.heartbeat import Heartbeat
from worker.lease import Lease
from worker.proofs import Proofs
from worker.remote import RemoteWork
from worker.sender import EventSender
from workflows import outbox, photo_folder

log = logging.getLogger("worker")

POLL_SECONDS = 2.0  # also the longest delay of a job whose run_at has passed
GRACE_SECONDS = 20.0  # a job that needs longer after SIGTERM goes back to the queue
PAUSE_AFTER_TROUBLE_SECONDS = 2.0
SCHEMA_SECONDS = 5.0  # between two looks whether the database still serves this code
FETCH_DEADLINE_SECONDS = 30.0
GONE_TEXT = "Файл с фото больше не доступен. Токены возвращены на баланс."
TROUBLE_TEXT = (
    "Сервис временно перегружен, фото обработать не удалось. Токены возвращены на баланс."
)
# What follows a photo, and what to say of its job if that is its end.
Step = tuple[Turn, str]


class Worker:
    """One process, one job of its own at a time, one photo at a time; those of providers are
    carried beside it.
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = name or f"{socket.gethostname()}-{threading.get_native_id()}"
        self._stopping = threading.Event()
        self._stop_at: float | None = None
        looking = Duty("look at the schema", SCHEMA_SECONDS, self._look_at_schema)
        self._duties = [looking, *(Duty(*duty) for duty in DUTIES)]
        self.objection = ""
        self._heartbeat = Heartbeat(settings.load().state_dir)
        self._remote = RemoteWork(self.name)
        self._events = EventSender(outbox.endpoint())
        self._proofs = Proofs()

    def run(self) -> None:
        """Work until stop(); waits out failures of the database or the storage.

        It begins once the database is migrated, and ends with an `objection` when a migration needs
        newer code, or when the photos are on another host.
        """
        log.info("worker started", extra={"worker": self.name})
        with self._heartbeat, notifications.Listener(queue.look()) as listener:
            self._wait_for_database()
            self._remote.start()
            self._events.start()
            self._proofs.start()
            is_due = True
            while not self._stopping.is_set():
                self._heartbeat.turn()
                try:
                    self._run_due_duties()
                    if not (is_due and self.run_once()):
                        is_due = listener.wait(POLL_SECONDS, self._stopping)
                except ApiError as error:
                    log.warning("database or storage unavailable: %s", with_reason(error))
                    self._stopping.wait(PAUSE_AFTER_TROUBLE_SECONDS)
        self._remote.join()
        self._events.join()
        log.info("worker stopped", extra={"worker": self.name})

    def run_once(self) -> bool:
        """Do one job if one is due, photo by photo; returns whether there was one."""
        with transaction() as session:
            claim = queue.claim(session, self.name)
        if claim is None:
            return False
        started = time.monotonic()
        metrics.job_wait_seconds.observe(claim.waited_seconds, claim.service_type)
        about = {"livephoto.service": claim.service_type, "livephoto.engine": registry.EMBEDDED}
        with tracing.root("job", about, link=claim.traceparent) as span:
            outcome = self._process(claim)
            if span is not None:
                span.set_attribute("livephoto.outcome", outcome)
        with logs.about(claim.request_id):
            log.info(
                "job %s",
                outcome,
                extra=_facts_of(claim)
                | {
                    "service_type": claim.service_type,
                    "photos": claim.photos,
                    "ms": round((time.monotonic() - started) * 1000),
                },
            )
        return True

    def stop(self) -> None:
        """Take no more jobs; the current one has GRACE_SECONDS."""
        self._stop_at = time.monotonic() + GRACE_SECONDS
        self._stopping.set()
        self._remote.stop()
        self._events.stop()
        self._proofs.stop()

    def _wait_for_database(self) -> None:
        while not self._stopping.is_set():
            self._heartbeat.turn()
            try:
                with reading() as reader:
                    schema.require(reader)
                photo_folder.require_ours()
                return
            except photo_folder.OtherFolderError as elsewhere:
                self.objection = str(elsewhere)
                self.stop()
            except ApiError as error:
                log.warning("worker takes no jobs, tries again: %s", with_reason(error))
                self._stopping.wait(PAUSE_AFTER_TROUBLE_SECONDS)

    def _look_at_schema(self) -> int:
        with reading() as reader:
            self.objection = schema.objection(reader)
        if self.objection:
            self.stop()
        return 0

    def _out_of_grace(self) -> bool:
        return self._stop_at is not None and time.monotonic() > self._stop_at

    def _process(self, claim: Claim) -> str:
        """Each photo of a job from `claim` on; returns what became of the job in this attempt."""
        with Lease(claim, self._heartbeat.beat) as lease:
            turn, outcome = self._make(claim, lease)
            while turn is Turn.NEXT:
                claim = claim.next_photo()
                if self._stopping.is_set():
                    return _release(claim, lease)
                self._heartbeat.turn()
                self._run_due_duties()  # an album must not hold them up
                turn, outcome = self._make(claim, lease)
        return outcome

    def _make(self, claim: Claim, lease: Lease) -> Step:
        """One photo must never end the worker: the next worker would take it and end too."""
        started = time.monotonic()
        with logs.about(claim.request_id):
            try:
                step = self._attempt(claim, lease)
            except ApiError:  # the database is down, which run() waits out
                raise
            except Exception:
                log.exception("unexpected error while processing a job", extra=_facts_of(claim))
                crash = EngineError("engine_crashed")
                step = _fail(claim, crash.code, crash.message, retryable=crash.retryable)
        _count(claim, step, time.monotonic() - started)
        return step

    def _attempt(self, claim: Claim, lease: Lease) -> Step:
        with TemporaryDirectory(prefix=WORK_PREFIX) as folder:
            try:
                photo = _photo(claim, Path(folder))
                result = registry.engine(registry.EMBEDDED).run(
                    claim.service_type,
                    photo,
                    workdir=Path(folder),
                    progress=lambda percent: lease.report(claim.overall(percent)),
                    should_stop=lambda: lease.lost or self._out_of_grace(),
                )
                return _store(claim, result)
            except EngineError as error:
                if error.code == "stopped":
                    return Turn.AGAIN, _release(claim, lease)
                # With its detail, for the operator only.
                log.warning("engine failed: %s", error, extra=_facts_of(claim))
                return _fail(claim, error.code, error.message, retryable=error.retryable)
            except FetchRefused as error:
                return _fail(claim, error.code, error.message, retryable=False)
            except ObjectMissing:
                return _fail(claim, "input_gone", GONE_TEXT, retryable=False)
            except (StorageUnavailable, FetchFailed, OSError) as error:
                log.warning("job will be retried: %s", error, extra=_facts_of(claim))
                return _fail(claim, "temporary_trouble", TROUBLE_TEXT, retryable=True)

    def _run_due_duties(self) -> None:
        for duty in self._duties:
            duty.run_if_due()
            self._heartbeat.turn()


def _photo(claim: Claim, folder: Path) -> Path:
    """The photo at hand as a file in `folder`."""
    target = folder / "input"
    with target.open("wb") as file:
        if claim.input_key is not None:
            with registry.storage().open(claim.input_key) as source:
                shutil.copyfileobj(source, file)
        else:
            fetch(
                claim.photo["url"],
                file,
                max_bytes=media.UPLOAD_LIMITS["image"],
                deadline_seconds=FETCH_DEADLINE_SECONDS,
            )
    return target


def _store(claim: Claim, result: Result) -> Step:
    size = result.path.stat().st_size
    with transaction() as session:
        row = data.reserve(
            session,
            result.media_type,
            content_type=result.content_type,
            now=now(),
            purpose="result",
        )
    with result.path.open("rb") as file:
        registry.storage().put(row.storage_key, file, content_type=result.content_type)
    with transaction() as session:
        turn = queue.finish(session, claim, row.id, size_bytes=size, meta=result.meta, now=now())
    return turn, turn.value


def _count(claim: Claim, step: Step, seconds: float) -> None:
    outcome = step[1].removeprefix("failed: ")
    if outcome == Turn.NEXT.value:  # the order is not done yet, the photo is
        outcome = Turn.DONE.value
    labels = registry.EMBEDDED, claim.service_type, outcome
    metrics.job_attempts.add(*labels)
    metrics.engine_seconds.observe(seconds, *labels)


def _fail(claim: Claim, code: str, message: str, *, retryable: bool) -> Step:
    with transaction() as session:
        turn = queue.fail(session, claim, code=code, message=message, retryable=retryable)
    return turn, turn.value if turn is Turn.LOST else f"failed: {code}"


def _release(claim: Claim, lease: Lease) -> str:
    if lease.lost:
        return "lost"
    with transaction() as session:
        queue.release(session, claim)
    return "released"


def _facts_of(claim: Claim) -> dict[str, Any]:
    """For the log."""
    return {"job_id": str(claim.job_id), "attempt": claim.attempt}
