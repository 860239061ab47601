"""A worker's hold on a job, renewed while the job is being worked on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import settings
from db import transaction
from errors import ApiError
from services import queue
from services.queue import Claim


class Lease:
    """Keeps a claim alive from its own thread, and records when it is lost.

    on_beat: called every second, whether or not the database answers.
    """

    def __init__(self, claim: Claim, on_beat: Callable[[], None]) -> None:
        self.lost = False
        self._claim = claim
        self._on_beat = on_beat
        self._progress = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def report(self, progress: int) -> None:
        """Progress, 0..100, written with the next beat: 100 frames need not be 100 updates."""
        self._progress = progress

    def _beat(self) -> None:
        lease = settings.load().job_lease_seconds
        expires = time.monotonic() + lease
        while not self._done.wait(1.0):
            self._on_beat()
            try:
                with transaction() as session:
                    if not queue.renew(session, self._claim, progress=self._progress):
                        self.lost = True
                        return
                expires = time.monotonic() + lease
            except ApiError:
                # Until the lease has run out, no other worker can have taken the job.
                if time.monotonic() > expires:
                    self.lost = True
                    return
