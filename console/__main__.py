"""`python -m console`: the operator's console, one process of several threads, until SIGTERM."""

from __future__ import annotations

import os

from flask import Flask
from gunicorn.app.base import BaseApplication

import settings
from console.app import create_app
from spec import CONTRACT
from telemetry import error_reports, logs
from telemetry.metrics import scrape

SHARED_MEMORY = "/dev/shm"  # noqa: S108 gunicorn creates its own files in it


class Console(BaseApplication):
    """gunicorn without its configuration file, which is the server's."""

    def load_config(self) -> None:
        """Listen at CONSOLE_HOST and CONSOLE_PORT."""
        current = settings.load()
        options = {
            "bind": current.console_address,
            "workers": 1,
            "worker_class": "gthread",
            "threads": current.console_threads,
            "control_socket_disable": True,
            # A proxy on this machine hands them on from whoever it speaks for: they would choose
            # another path than the one it has looked at.
            "forwarder_headers": "",
            "worker_tmp_dir": SHARED_MEMORY if os.path.isdir(SHARED_MEMORY) else None,
            "logconfig_dict": logs.config(current.log_level),
            "proc_name": "livephoto-console",
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """The application, made in the worker."""
        current = settings.load()
        scrape.show(current.metrics_address, current.metrics_token, current.metrics_folder)
        release = CONTRACT["info"]["version"]
        error_reports.start(current.sentry_dsn, release=release, environment=current.environment)
        return create_app()


if __name__ == "__main__":
    Console().run()
