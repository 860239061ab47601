"""The whole sandbox on its own port, and a shop's webhook that records what it is sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

from local import sandbox
from tests.sandboxes import served
from tests.wire import wait_until

PATIENCE_SECONDS = 60
YOOKASSA_ORDER = {
    "amount": {"value": "199.00", "currency": "RUB"},
    "capture": True,
    "description": "Пополнение",
    "confirmation": {"type": "redirect", "return_url": "https://t.me/example_bot"},
    "metadata": {"payment_id": "8f0c"},
}


class Sandbox:
    """One sandbox and its controls."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.yookassa = f"{url}/yookassa/v3"
        self.stripe = f"{url}/stripe"

    def control(self, verb: str, path: str, **body: Any) -> Any:
        """Call a control endpoint."""
        answer = requests.request(verb, f"{self.url}/control{path}", json=body, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def inject_fault(self, provider: str, kind: str, **script: Any) -> None:
        """Script a fault of the next calls."""
        self.control("POST", f"/{provider}/faults", kind=kind, **script)

    def wait_for_hanging(self, provider: str, calls: int = 1) -> None:
        """Wait until so many calls of a provider hang."""
        wait_until(lambda: self.hanging(provider) >= calls)

    def hanging(self, provider: str) -> int:
        """How many calls of a provider hang, whether or not anybody waits for them still."""
        found: int = self.control("GET", f"/{provider}/faults")["hanging"]
        return found


@contextmanager
def payment_sandbox(options: sandbox.Options | None = None) -> Iterator[Sandbox]:
    """A fresh sandbox of all three providers."""
    with served(sandbox.create_app(options)) as url:
        yield Sandbox(url)


@dataclass(frozen=True)
class Posted:
    """One request to the shop's webhook."""

    raw: bytes
    headers: dict[str, str]
    at: float


class Shop:
    """A webhook that answers with scripted statuses, then 200; each only when as many calls have
    come as the barrier `together` counts.
    """

    def __init__(self) -> None:
        self.posted: list[Posted] = []
        self.statuses: list[int] = []
        self.together = threading.Barrier(1)
        self._came = threading.Condition()
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                status = shop.statuses.pop(0) if shop.statuses else 200
                shop.together.wait(PATIENCE_SECONDS)
                self.send_response(status)
                self.end_headers()
                with shop._came:
                    shop.posted.append(Posted(raw, dict(self.headers), time.monotonic()))
                    shop._came.notify_all()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def wait_for(self, count: int) -> list[Posted]:
        """Wait for at least `count` requests; all of them so far."""
        with self._came:
            came = self._came.wait_for(lambda: len(self.posted) >= count, PATIENCE_SECONDS)
            assert came, f"{len(self.posted)} of {count} came"
            return list(self.posted)

    def close(self) -> None:
        """Stop listening."""
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def shop_webhook() -> Iterator[Shop]:
    """A shop's webhook."""
    shop = Shop()
    try:
        yield shop
    finally:
        shop.close()
