"""A bot's address for events, cheap beside what it measures: notes each post and answers 204."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import orjson

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # the example of Standard Webhooks
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
ANSWER = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Post:
    """One post. at: Unix time at which it had come in whole."""

    at: float
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        """The event in it."""
        data: dict[str, Any] = orjson.loads(self.body)["data"]
        return data


@dataclass
class Receiver:
    """url: where it listens. posts: all so far."""

    url: str = ""
    posts: list[Post] = field(default_factory=list)


class _Conversation(asyncio.Protocol):
    def __init__(self, posts: list[Post]) -> None:
        self._posts = posts
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, _, body = self._got.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if length and len(body) >= int(length[1]):
            self._posts.append(Post(time.time(), body))
            self._transport.write(ANSWER)
            self._transport.close()


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that listens during the block."""
    receiver, loop = Receiver(), asyncio.new_event_loop()
    server = loop.run_until_complete(
        loop.create_server(lambda: _Conversation(receiver.posts), "127.0.0.1", 0)
    )
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.close()
