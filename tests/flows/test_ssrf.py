"""An order by a link into our own network: no connection is made, and the tokens come back."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

from tests.factories import balance, make_user
from tests.live import Bot, done
from tests.wire import wait_until
from tests.workers import working

PRICE = 5

LINKS = (
    "http://127.0.0.1:{port}/photo.jpg",
    "http://localhost:{port}/photo.jpg",
    "http://127.0.0.1/photo.jpg",
    "https://[::1]/photo.jpg",
    "http://[::ffff:7f00:1]/photo.jpg",
    "http://2130706433/photo.jpg",
    "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
    "http://10.0.0.1/photo.jpg",
)


def test_an_order_by_a_link_to_ourselves_fails_honestly_and_is_given_back(
    bot: Bot, tmp_path: Path
) -> None:
    user, came = make_user(PRICE * len(LINKS)), list[object]()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def accept() -> None:
            while True:
                try:
                    came.append(listener.accept())
                except OSError:
                    return

        waiting = threading.Thread(target=accept, daemon=True)
        waiting.start()
        wishes = [
            {
                "userId": str(user.id),
                "serviceType": "restore",
                "input": [{"type": "image", "url": link.format(port=port)}],
            }
            for link in LINKS
        ]
        jobs = [done(bot.post("/jobs", wish), 201) for wish in wishes]
        assert balance(user.id) == 0
        with working(tmp_path):
            wait_until(lambda: all(read(bot, job)["status"] == "failed" for job in jobs))
        listener.shutdown(socket.SHUT_RDWR)
        waiting.join(5)
    assert came == []
    assert balance(user.id) == PRICE * len(LINKS)
    for job in jobs:
        error = read(bot, job)["meta"]["error"]
        assert error["code"] == "url_not_allowed"
        assert "127.0.0.1" not in error["message"]


def read(bot: Bot, job: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = done(bot.get(f"/jobs/{job['id']}"), 200)
    return found
