"""`python -m worker` runs one worker until SIGTERM or Ctrl-C."""

from __future__ import annotations

import signal
import sys
from types import FrameType

import error_reports
import logs
import settings
import tracing
from metrics import scrape
from spec import CONTRACT
from worker.loop import Worker


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
    share = float(current.otel_traces_sampler_arg)
    try:
        tracing.start(current.otel_exporter_otlp_endpoint, service="worker", share=share)
        error_reports.start(
            current.sentry_dsn, release=CONTRACT["info"]["version"], environment=current.environment
        )
    except RuntimeError as missing:
        sys.exit(str(missing))
    worker = Worker()

    def stop(signum: int, frame: FrameType | None) -> None:
        worker.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    worker.run()
    tracing.stop()
    error_reports.stop()


if __name__ == "__main__":
    main()
