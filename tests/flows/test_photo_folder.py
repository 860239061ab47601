"""Photos in folders of two hosts: in production the second host says what is wrong, and does not
start.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.processes import ChildError
from tests import live, workers
from tests.command_line import command_line, say
from tests.live import Bot, Server, done
from tests.wire import KEY, wait_until

PRODUCTION = {
    "ENVIRONMENT": "production",
    "SERVER_API_KEY": KEY,
    "SERVER_URL": "https://kreatum.ru/api",
    "S3_BUCKET": "",
    "YOOKASSA_SHOP_ID": "1",
    "YOOKASSA_SECRET_KEY": "nobody's",
    "WEB_CONCURRENCY": "2",
    "RATE_LIMIT_PER_USER": "300",
}
FIX = ("S3_BUCKET", "STATE_DIR", "storage adopt")


@pytest.fixture(scope="module")
def first(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A host that came first, with two processes that share its folder."""
    folder = tmp_path_factory.mktemp("first")
    with live.serve(folder, state_dir=folder, **PRODUCTION) as running:
        yield running


def test_at_its_start_it_says_how_often_a_limit_may_be_exceeded(first: Server) -> None:
    said = first.logs()[0].read_text("utf-8")
    assert said.count("RATE_LIMIT_PER_USER=300: counted by each of the 2 server processes") == 1


def test_a_second_host_with_a_folder_of_its_own_does_not_start(
    first: Server, tmp_path: Path
) -> None:
    second = Server(tmp_path, state_dir=tmp_path, **PRODUCTION)
    with pytest.raises(ChildError, match="ended with code 1"):
        second.start()
    said = (tmp_path / "server-1.log").read_text("utf-8")
    assert all(part in said for part in FIX)
    assert "Traceback" not in said


def test_a_worker_elsewhere_takes_no_order(first: Server, tmp_path: Path) -> None:
    environ = PRODUCTION | {"STATE_DIR": str(tmp_path)}
    with workers.start_worker(tmp_path, **environ) as worker:
        wait_until(lambda: worker.exit_code() is not None)
        assert worker.exit_code() == 1
        assert all(part in worker.said() for part in FIX)
    shared = Path(first.logs()[0]).parent
    with workers.working(tmp_path, **(environ | {"STATE_DIR": str(shared)})):
        pass


def test_a_host_is_not_ready_as_soon_as_another_folder_has_the_photos(
    first: Server, tmp_path: Path
) -> None:
    moved = shutil.copytree(first.logs()[0].parent / "files", tmp_path / "files").parent
    os.unlink(moved / "files/store.id")  # of a copy it would be the same, and rightly so
    with Bot(first.url) as bot, command_line(STATE_DIR=str(moved), **PRODUCTION) as cli:
        done(bot.get("/health/ready"), 200)
        assert "this host's folder" in say(cli, "storage", "adopt")
        # Each of its processes notices within a second.
        wait_until(lambda: bot.get("/health/ready").json()["checks"]["storage"] == {"ok": False})
        with live.serve(moved, state_dir=moved, **PRODUCTION):
            pass
