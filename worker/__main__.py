"""`python -m worker` runs one worker until SIGTERM or Ctrl-C."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType

import logs
import metrics
import settings
from metrics import scrape
from worker.loop import Worker


def main() -> None:
    """Run until SIGTERM or Ctrl-C; an unusable setting ends it with a message."""
    try:
        current = settings.load()
    except settings.SettingsError as error:
        sys.exit(str(error))
    logs.configure(current.log_level)
    if current.metrics_address:
        _show_metrics(current)
    worker = Worker()

    def stop(signum: int, frame: FrameType | None) -> None:
        worker.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    worker.run()


def _show_metrics(current: settings.Settings) -> None:
    """By a listener of its own, unless the server shows what is in their common folder."""
    metrics.start(Path(current.metrics_folder) if current.metrics_folder else None)
    scrape.count_error_lines()
    if not current.metrics_folder:
        scrape.listen(current.metrics_address, current.metrics_token)


if __name__ == "__main__":
    main()
