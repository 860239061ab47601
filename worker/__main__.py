"""`python -m worker` runs one worker until SIGTERM or Ctrl-C."""

from __future__ import annotations

import logging
import signal
import sys
from types import FrameType

import logs
import settings
from metrics import scrape
from services import erased_accounts
from worker.loop import Worker

log = logging.getLogger("worker")


def main() -> None:
    """Run until SIGTERM or Ctrl-C; an unusable setting ends it with a message."""
    try:
        current = settings.load()
    except settings.SettingsError as error:
        sys.exit(str(error))
    logs.configure(current.log_level)
    try:
        scrape.show(current.metrics_address, current.metrics_token, current.metrics_folder)
    except OSError as error:
        sys.exit(f"METRICS_ADDRESS {current.metrics_address} or METRICS_FOLDER: {error}")
    if missing := erased_accounts.missing_key():
        log.warning(missing)
    worker = Worker()

    def stop(signum: int, frame: FrameType | None) -> None:
        worker.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    worker.run()


if __name__ == "__main__":
    main()
