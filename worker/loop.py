"""The loop: claims jobs, runs the engine, stores results, and performs the periodic duties."""

from __future__ import annotations

import logging
import shutil
import socket
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from db import notices, transaction
from db.types import now
from errors import ApiError
from providers import instances
from providers.engine import EngineError, Result
from providers.fetch import FetchFailed, FetchRefused, fetch
from providers.storage import ObjectMissing, StorageUnavailable
from services import data, media, queue
from services.queue import Claim
from worker.duties import DUTIES, WORK_PREFIX, Duty
from worker.lease import Lease

log = logging.getLogger("worker")

POLL_SECONDS = 2.0  # also the longest delay of a job whose run_at has passed
GRACE_SECONDS = 20.0  # a job that needs longer after SIGTERM goes back to the queue
PAUSE_AFTER_TROUBLE_SECONDS = 2.0
FETCH_DEADLINE_SECONDS = 30.0
GONE_TEXT = "Файл с фото больше не доступен. Токены возвращены на баланс."
TROUBLE_TEXT = (
    "Сервис временно перегружен, фото обработать не удалось. Токены возвращены на баланс."
)


class Worker:
    """One process, one job at a time."""

    def __init__(self, name: str | None = None) -> None:
        self.name = name or f"{socket.gethostname()}-{threading.get_native_id()}"
        self._stopping = threading.Event()
        self._stop_at: float | None = None
        self._duties = [Duty(*duty) for duty in DUTIES]

    def run(self) -> None:
        """Work until stop(); waits out failures of the database or the storage."""
        log.info("worker started", extra={"worker": self.name})
        with notices.Listener() as listener:
            while not self._stopping.is_set():
                try:
                    self._run_due_duties()
                    if not self.run_once():
                        listener.wait(POLL_SECONDS, self._stopping)
                except ApiError as error:
                    log.warning("database or storage unavailable: %s", error)
                    self._stopping.wait(PAUSE_AFTER_TROUBLE_SECONDS)
        log.info("worker stopped", extra={"worker": self.name})

    def run_once(self) -> bool:
        """Do one job if one is due; returns whether there was one."""
        with transaction() as session:
            claim = queue.claim(session, self.name)
        if claim is None:
            return False
        started = time.monotonic()
        outcome = self._process(claim)
        log.info(
            "job %s",
            outcome,
            extra={
                "job_id": str(claim.job_id),
                "attempt": claim.attempt,
                "service_type": claim.service_type,
                "ms": round((time.monotonic() - started) * 1000),
            },
        )
        return True

    def stop(self) -> None:
        """Take no more jobs; the current one has GRACE_SECONDS."""
        self._stop_at = time.monotonic() + GRACE_SECONDS
        self._stopping.set()

    def _out_of_grace(self) -> bool:
        return self._stop_at is not None and time.monotonic() > self._stop_at

    def _process(self, claim: Claim) -> str:
        """One job must never end the worker: the next worker would take it and end too."""
        try:
            return self._attempt(claim)
        except ApiError:  # the database is down, which run() waits out
            raise
        except Exception:
            job_id = str(claim.job_id)
            log.exception("unexpected error while processing a job", extra={"job_id": job_id})
            crash = EngineError("engine_crashed")
            return _fail(claim, crash.code, crash.message, retryable=crash.retryable)

    def _attempt(self, claim: Claim) -> str:
        with Lease(claim) as lease, TemporaryDirectory(prefix=WORK_PREFIX) as folder:
            try:
                photo = _photo(claim, Path(folder))
                result = instances.engine(claim.engine).run(
                    claim.service_type,
                    photo,
                    workdir=Path(folder),
                    progress=lease.report,
                    should_stop=lambda: lease.lost or self._out_of_grace(),
                )
                return _store(claim, result)
            except EngineError as error:
                if error.code == "stopped":
                    return _release(claim, lease)
                log.warning("engine failed: %s", error)  # with its detail, for the operator only
                return _fail(claim, error.code, error.message, retryable=error.retryable)
            except FetchRefused as error:
                return _fail(claim, error.code, error.message, retryable=False)
            except ObjectMissing:
                return _fail(claim, "input_gone", GONE_TEXT, retryable=False)
            except (StorageUnavailable, FetchFailed, OSError) as error:
                log.warning("job will be retried: %s", error)
                return _fail(claim, "temporary_trouble", TROUBLE_TEXT, retryable=True)

    def _run_due_duties(self) -> None:
        for duty in self._duties:
            duty.run_if_due()


def _photo(claim: Claim, folder: Path) -> Path:
    """The job's input as a file in `folder`."""
    target = folder / "input"
    with target.open("wb") as file:
        if claim.input_key is not None:
            with instances.storage().open(claim.input_key) as source:
                shutil.copyfileobj(source, file)
        else:
            fetch(
                claim.input[0]["url"],
                file,
                max_bytes=media.UPLOAD_LIMITS["image"],
                deadline_seconds=FETCH_DEADLINE_SECONDS,
            )
    return target


def _store(claim: Claim, result: Result) -> str:
    size = result.path.stat().st_size
    with transaction() as session:
        row = data.reserve(session, result.media_type, content_type=result.content_type, now=now())
    with result.path.open("rb") as file:
        instances.storage().put(row.storage_key, file, content_type=result.content_type)
    with transaction() as session:
        finished = queue.finish(
            session, claim, row.id, size_bytes=size, meta=result.meta, now=now()
        )
    return "done" if finished else "lost"


def _fail(claim: Claim, code: str, message: str, *, retryable: bool) -> str:
    with transaction() as session:
        failed = queue.fail(session, claim, code=code, message=message, retryable=retryable)
    return f"failed: {code}" if failed else "lost"


def _release(claim: Claim, lease: Lease) -> str:
    if lease.lost:
        return "lost"
    with transaction() as session:
        queue.release(session, claim)
    return "released"
