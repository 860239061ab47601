"""An order by a link into our own network: refused at the door if that is certain there; otherwise
no connection is made, and the tokens come back.
"""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from db import transaction
from services import jobs as orders
from tests.factories import balance, make_user
from tests.live import Bot, done, refused, unchanged
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
CERTAIN = (
    *(link.format(port=80) for link in LINKS),
    "http://0x7f.1/photo.jpg",
    "http://0177.0.0.1/photo.jpg",
    "http://127.0.0.1./photo.jpg",
    "http://127。0。0。1/photo.jpg",
    "https://a.LOCALHOST./photo.jpg",
    "http://[fe80::1%25eth0]/photo.jpg",
    "http://example.com:8080/photo.jpg",
    "http://anna:secret@example.com/photo.jpg",
)


@pytest.mark.parametrize("link", CERTAIN)
def test_a_link_that_is_certain_to_be_refused_is_refused_before_it_is_paid(
    bot: Bot, link: str
) -> None:
    user = make_user(PRICE)
    wish = {
        "userId": str(user.id),
        "serviceType": "restore",
        "input": [{"url": "https://example.com/photo.jpg"}, {"type": "image", "url": link}],
    }
    with unchanged():
        details = refused(bot.post("/jobs", wish, key=f"certain-{user.id}"), "bad_request")
    assert details == {"input.1.url": "is not a public web address"}
    wish["input"] = [{"url": "http://8.8.8.8/photo.jpg"}]
    done(bot.post("/jobs", wish, key=f"certain-{user.id}"), 201)


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
        jobs = [order_by_link(user.id, link.format(port=port)) for link in LINKS]
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


def order_by_link(user_id: UUID, link: str) -> UUID:
    """An order whose link passed the door, as that of a name that leads to us does."""
    with transaction() as session:
        job = orders.create(session, user_id, service_type="restore", input=[{"url": link}])
    return job.id


def read(bot: Bot, job_id: UUID) -> Any:
    return done(bot.get(f"/jobs/{job_id}"), 200)
