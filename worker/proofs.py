"""Makes the nightly proofs of the books and of the figures beside the worker's jobs: with many
people each takes minutes, in which a duty would hold up the queue.
"""

from __future__ import annotations

import logging
import threading

from db.types import now
from errors import ApiError
from services.checks import FIGURES, LEDGER
from workflows import checks

log = logging.getLogger("worker")

LOOK_SECONDS = 20.0


class Proofs:
    """The thread of one worker process; of several workers, one makes each check."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proofs", daemon=True)

    def start(self) -> None:
        """Look for due checks from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Begin no more. One that has begun ends with the process, and is made again."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            for subject in (LEDGER, FIGURES):
                try:
                    checks.make_if_due(subject, now=now())
                except ApiError as error:
                    log.warning("the check of the %s waits: %s", subject, error)
                except Exception:
                    log.exception("the check of the %s failed unexpectedly", subject)
