"""A Telegram sandbox on its own port, for tests of whatever talks to Telegram."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests

from local.sandbox import create_app
from local.sandbox.telegram import TOKEN
from tests.sandboxes import served

CHANNEL, GROUP, LOG_CHAT, PAYER = -1001, -1002, -1003, 555001


class World:
    """One sandbox and its controls; `api` is the base URL of its Bot API."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.api = f"{url}/telegram"

    def control(self, verb: str, path: str, **body: Any) -> dict[str, Any]:
        """Call a control endpoint."""
        answer = requests.request(verb, f"{self.url}/control/telegram{path}", json=body, timeout=60)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def call_bot(self, method: str, **parameters: Any) -> Any:
        """Call a Bot API method that our client lacks."""
        answer = requests.post(f"{self.api}/bot{TOKEN}/{method}", json=parameters, timeout=60)
        answer.raise_for_status()
        return answer.json()["result"]

    def pay_in_background(self, link: str, user_id: int = PAYER) -> Callable[[], dict[str, Any]]:
        """Press Pay; the returned function waits for the outcome."""
        result: dict[str, Any] = {}
        thread = threading.Thread(
            target=lambda: result.update(self.control("POST", "/pay", link=link, user_id=user_id))
        )
        thread.start()

        def wait() -> dict[str, Any]:
            thread.join()
            return result

        return wait


@contextmanager
def telegram_world() -> Iterator[World]:
    """A world with a channel, a public group, a private log chat and one person."""
    with served(create_app()) as url:
        world = World(url)
        world.control("PUT", f"/chats/{CHANNEL}", type="channel", username="live_photo")
        world.control("PUT", f"/chats/{GROUP}", type="supergroup", username="live_photo_talk")
        world.control("PUT", f"/chats/{LOG_CHAT}", type="supergroup")
        world.control("PUT", f"/users/{PAYER}", first_name="Анна")
        yield world
