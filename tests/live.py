"""The real application in a process of its own, and a client that calls it as the bot does."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psutil
import requests
from sqlalchemy import text

from db import snapshot
from db.models import Table
from errors import CODES
from local import ports
from local.client import Client
from local.processes import Child
from tests import wire
from tests.databases import past_the_pooler

# What was tried is kept whether or not it succeeded, and when an operator was last seen.
ATTEMPTS = {"audit_entries", "login_failures", "operator_sessions"}

_telegram_ids = count(20_000_000)


class Server:
    """The real server on a port of its own; it can be killed and started again."""

    def __init__(self, folder: Path, *, state_dir: Path, **environ: str) -> None:
        self.port = ports.reserve()
        self.url = f"http://127.0.0.1:{self.port}/api"
        self._folder = folder
        self._state_dir = state_dir
        # Files are kept in the state folder, and links lead to this server.
        self._environ = {"S3_BUCKET": "", "SERVER_URL": self.url, **past_the_pooler(environ)}
        self._logs: list[Path] = []
        self._process: Child

    def start(self) -> None:
        """Start it and wait until it answers."""
        log = self._folder / f"server-{len(self._logs) + 1}.log"
        self._logs.append(log)
        self._process = wire.start(
            "web.app:create_app()", self._state_dir, self.port, log, **self._environ
        )
        self._process.wait_until(self._answers, wire.START_SECONDS)

    def stop(self) -> None:
        """Stop it gracefully, as an operator does."""
        self._process.stop()

    def ask_to_stop(self) -> None:
        """Send it SIGTERM."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it and its workers, as a power cut does."""
        workers = self.workers()
        self._process.kill()
        psutil.wait_procs(workers)

    def workers(self) -> list[psutil.Process]:
        """Its worker processes."""
        return self._process.processes()[1:]

    def reconnect(self) -> None:
        """Wait until it has found that its database was replaced, which costs it one answer."""
        with Bot(self.url) as bot:
            wire.wait_until(lambda: bot.get(f"/users/{uuid4()}").status_code == 404)

    def logs(self) -> list[Path]:
        """The files that its runs have written."""
        return self._logs

    def errors(self) -> list[dict[str, Any]]:
        """Lines of its logs about bugs; a killed worker is not one."""
        said = [line for log in self._logs for line in log.read_text("utf-8").splitlines()]
        # PostgreSQL's client prints by itself that an idle connection has been ended.
        lines = [json.loads(line) for line in said if line and not line.startswith("FATAL: ")]
        return [
            line for line in lines if line["level"] == "ERROR" and "SIGKILL" not in line["message"]
        ]

    def _answers(self) -> bool:
        try:
            with Bot(self.url) as bot:
                return bot.get("/health/live").ok
        except requests.ConnectionError:
            return False


@contextmanager
def serve(folder: Path, *, state_dir: Path, **environ: str) -> Iterator[Server]:
    """A server during the block, with settings from `environ`; bugs in its log fail the test."""
    server = Server(folder, state_dir=state_dir, **environ)
    server.start()
    try:
        yield server
    finally:
        server.stop()
    errors = server.errors()
    assert not errors, errors


class Bot(Client):
    """The bot; any number of threads may use it."""

    def __init__(self, url: str, key: str = wire.KEY) -> None:
        super().__init__(url, key)
        # The server may close a connection that has been idle just as the next request leaves; no
        # client can tell that from a request that was lost.
        self.session.headers["Connection"] = "close"

    def __enter__(self) -> Bot:
        return self

    def get(self, path: str, **query: Any) -> requests.Response:
        """One read; `path` may be a whole URL, such as that of a Link header."""
        return self.send("GET", path, params=query)

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> requests.Response:
        """One POST of JSON, with this Idempotency-Key if given."""
        return self.send("POST", path, json=body, key=key)

    def post_raw(self, path: str, body: str, *, key: str | None = None) -> requests.Response:
        """One POST of JSON in this very spelling."""
        typed = {"Content-Type": "application/json"}
        return self.send("POST", path, data=body.encode(), headers=typed, key=key)

    def patch(self, path: str, body: Any) -> requests.Response:
        """One PATCH of JSON."""
        return self.send("PATCH", path, json=body)

    def upload(self, content: bytes, type: str = "image", name: str = "a") -> requests.Response:
        """One file in a form."""
        form = {"type": (None, type), "file": (name, content)}
        return self.send("POST", "/data", files=form)

    def register(self, **body: str) -> dict[str, Any]:
        """Register a user, a new one unless `telegramId` is given."""
        visitor = {"telegramId": str(next(_telegram_ids))} | body
        return done(self.post("/users/register-or-login", visitor), 200)

    def order(
        self, user_id: str | UUID, data_id: str | UUID, service_type: str = "restore"
    ) -> dict[str, Any]:
        """A job for one picture."""
        return done(self.post("/jobs", order(user_id, data_id, service_type)), 201)

    def balance(self, user_id: str | UUID) -> float:
        """What the user can spend now, tokens."""
        balance: float = done(self.get(f"/users/{user_id}/balance"), 200)["balanceTokens"]
        return balance


def order(
    user_id: str | UUID, data_id: str | UUID, service_type: str = "restore"
) -> dict[str, Any]:
    """The body of jobsCreate for one picture."""
    picture = {"type": "image", "dataId": str(data_id)}
    return {"userId": str(user_id), "serviceType": service_type, "input": [picture]}


def done(answer: requests.Response, status: int) -> Any:
    """The JSON of an answer that must have this status."""
    assert answer.status_code == status, answer.text
    return answer.json()


def refused(answer: requests.Response, code: str) -> dict[str, Any]:
    """The details of an answer that must be an Error with this code."""
    body = answer.json()
    assert (answer.status_code, body["code"]) == (CODES[code][0], code), answer.text
    assert answer.headers["Content-Type"] == "application/json"
    assert body.keys() <= {"code", "message", "userMessage", "details"}
    assert body["message"] and body["userMessage"]
    details: dict[str, Any] = body.get("details", {})
    return details


@contextmanager
def unchanged() -> Iterator[None]:
    """The block must leave every row of every table unchanged."""
    before = _contents()
    yield
    changed = [table for table, content in _contents().items() if content != before[table]]
    assert not changed, f"changed: {changed}"


def _contents() -> dict[str, tuple[int, int]]:
    parts = (
        f"SELECT '{name}', count(*), coalesce(sum(hashtextextended(t::text, 0)), 0) FROM {name} t"
        for name in Table.metadata.tables
        if name not in ATTEMPTS
    )
    with snapshot() as session:
        return {row[0]: row[1:] for row in session.execute(text(" UNION ALL ".join(parts)))}
