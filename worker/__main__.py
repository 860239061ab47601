"""`python -m worker` runs one worker until SIGTERM or Ctrl-C."""

from __future__ import annotations

import logging
import signal
import sys
from types import FrameType

import settings
from services import erased_accounts
from spec import CONTRACT
from telemetry import error_reports, logs, tracing
from telemetry.metrics import scrape
from worker.loop import Worker

log = logging.getLogger("worker")


def main() -> None:
    """Run until SIGTERM or Ctrl-C; an unusable setting ends it with a message."""
    try:
        current = settings.load()
    except settings.SettingsError as error:
        sys.exit(str(error))
    logs.configure(current.log_level)
    _tell_outside(current)
    if missing := erased_accounts.missing_key():
        log.warning(missing)
    worker = Worker()

    def stop(signum: int, frame: FrameType | None) -> None:
        worker.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    worker.run()
    tracing.stop()
    error_reports.stop()
    if worker.objection:
        sys.exit(worker.objection)


def _tell_outside(current: settings.Settings) -> None:
    """Metrics, traces and errors, as far as there is somebody to tell."""
    try:
        scrape.show(current.metrics_address, current.metrics_token, current.metrics_folder)
        share = float(current.otel_traces_sampler_arg)
        tracing.start(current.otel_exporter_otlp_endpoint, service="worker", share=share)
        release = CONTRACT["info"]["version"]
        error_reports.start(current.sentry_dsn, release=release, environment=current.environment)
    except OSError as error:
        sys.exit(f"METRICS_ADDRESS {current.metrics_address} or METRICS_FOLDER: {error}")
    except RuntimeError as missing:
        sys.exit(str(missing))


if __name__ == "__main__":
    main()
