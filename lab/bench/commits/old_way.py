"""Our server, but that workers are woken as they once were: gunicorn loads it from here."""

from __future__ import annotations

from db import notifications
from lab.bench.commits import within
from web.app import create_app

__all__ = ["create_app"]

notifications.announce = within.announce
