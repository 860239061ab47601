"""An order by a link into our own network: no connection is made, and the tokens come back."""

from __future__ import annotations

import socket
import threading

import pytest

from tests.factories import balance, make_user
from tests.flows.test_worker import PRICE, _empty_queue, start_worker
from tests.live import Bot, done
from tests.wire import wait_until

__all__ = ["_empty_queue"]

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


@pytest.mark.usefixtures("_empty_queue")
def test_an_order_by_a_link_to_ourselves_fails_honestly_and_is_given_back(bot: Bot) -> None:
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
        process = start_worker()
        try:
            wait_until(lambda: all(read(bot, job)["status"] == "failed" for job in jobs), 30)
        finally:
            process.terminate()
            process.wait(10)
        listener.shutdown(socket.SHUT_RDWR)
        waiting.join(5)
    assert came == []
    assert balance(user.id) == PRICE * len(LINKS)
    for job in jobs:
        error = read(bot, job)["meta"]["error"]
        assert error["code"] == "url_not_allowed"
        assert "127.0.0.1" not in error["message"]


def read(bot: Bot, job: dict[str, str]) -> dict[str, object]:
    found: dict[str, object] = done(bot.get(f"/jobs/{job['id']}"), 200)
    return found
