"""Two application hosts behind the shipped nginx: restarted in turn, killed, asked by strangers.

HOSTS_ROUNDS=20 repeats the restarts and kills so often. Where no namespaces can be made, the hosts
are two ports of this machine.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

import settings
from local import machines
from local.machines import Machine
from tests import nginx
from tests.factories import make_user
from tests.live import Bot, Server, done, order, refused
from tests.load import PHOTO, Load
from tests.nginx import CERTIFICATES, HOST, NGINX, Nginx
from tests.wire import KEY, wait_until
from tests.workers import working

pytestmark = pytest.mark.skipif(NGINX is None, reason="needs nginx: apt install nginx-light")

ROUNDS = int(os.environ.get("HOSTS_ROUNDS") or 1)
MANY = 12  # orders: enough for each client to have met what happened
VIDEO = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + bytes(24 * 1024 * 1024)
YOOKASSA = "185.71.76.5"


class Host(Server):
    """A server on a machine of its own."""

    def __init__(self, folder: Path, machine: Machine, **environ: str) -> None:
        on = {"HOST": machine.address, "NETWORK_NAMESPACE": machine.namespace}
        super().__init__(folder, state_dir=settings.load().state_dir, **on, **environ)
        self.address = f"{machine.address}:{self.port}"
        self.url = f"http://{self.address}/api"


@dataclass
class World:
    nginx: Nginx
    hosts: list[Host]
    bot: Bot
    engine: Engine
    environ: dict[str, str]

    def know(self, request_id: str) -> bool:
        """Whether nginx and one of the hosts have written about this request."""
        hosts = "".join(log.read_text("utf-8") for host in self.hosts for log in host.logs())
        return request_id in self.nginx.lines() and request_id in hosts


class Named(HTTPAdapter):
    """TLS with the name that the certificate has, whatever address is called."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, server_hostname=HOST, assert_hostname=HOST)


def trusting(url: str) -> Bot:
    bot = Bot(url)
    bot.session.mount("https://", Named(pool_maxsize=32))
    bot.session.verify = str(CERTIFICATES / "authority.pem")
    return bot


@pytest.fixture(scope="module")
def world(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """With the settings of production, one PostgreSQL and one folder of photos."""
    folder = tmp_path_factory.mktemp("hosts")
    with ExitStack() as stack:
        here, others = stack.enter_context(machines.machines(2))
        front = Nginx(folder)
        url = f"https://127.0.0.1:{front.port}/api"
        environ = production(database, url, here)
        hosts = [Host(made(folder / f"host{n}"), each, **environ) for n, each in enumerate(others)]
        for host in hosts:
            host.start()
            stack.callback(host.stop)
        stack.enter_context(nginx.before(front, [host.address for host in hosts]))
        bot = stack.enter_context(trusting(url))
        engine = create_engine(database, poolclass=NullPool)
        yield World(front, hosts, bot, engine, environ)
    for host in hosts:
        assert not host.errors()


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def production(database: str, url: str, proxy: Machine) -> dict[str, str]:
    """PostgreSQL is reached through its socket, a file, which all namespaces see."""
    known = make_url(database)
    sockets = settings.load().state_dir / "sockets"
    login = f"{known.username}:{known.password}"
    return {
        "ENVIRONMENT": "production",
        "DATABASE_URL": f"postgresql://{login}@/{known.database}?host={sockets}&port={known.port}",
        "SERVER_URL": url,
        "SERVER_API_KEY": KEY,
        "WEB_CONCURRENCY": "2",
        "S3_BUCKET": "",
        "YOOKASSA_SHOP_ID": "1",
        "YOOKASSA_SECRET_KEY": "nobody's",
        "YOOKASSA_CHECK_NETWORK": "true",
        "TRUSTED_PROXIES": proxy.address,
    }


def test_a_video_goes_in_a_photo_is_waited_for_and_its_result_comes_out(world: World) -> None:
    assert done(world.bot.upload(VIDEO, "video"), 201)["id"]
    user, photo = make_user(tokens=10), done(world.bot.upload(PHOTO), 201)
    job = done(world.bot.post("/jobs", order(user.id, photo["id"]), key="one"), 201)
    with working(world.nginx.folder, **world.environ):
        while job["status"] in ("queued", "processing"):
            job = done(world.bot.get(f"/jobs/{job['id']}", wait=25), 200)
    assert job["status"] == "done"
    assert job["resultUrl"].startswith(world.bot.url.removesuffix("/v1"))
    assert world.bot.send("GET", job["resultUrl"]).content == PHOTO + b"done"


def test_who_calls_is_known_behind_nginx_and_cannot_be_forged(world: World) -> None:
    event = {"event": "payment.succeeded", "object": {"id": "2c5d3f4e-000f-5000-8000-1a2b3c4d5e6f"}}
    body = json.dumps({"type": "notification", **event}).encode()
    typed = {"Content-Type": "application/json"}
    path = "/webhooks/payments/yookassa"
    for forged in ({}, {"X-Forwarded-For": YOOKASSA}, {"X-Forwarded-For": f"1.1.1.1, {YOOKASSA}"}):
        answer = world.bot.send("POST", path, data=body, headers=typed | forged)
        refused(answer, "signature_invalid")
    # As nginx would send it for YooKassa: from its own address, with that of the caller alone.
    with closing(requests.Session()) as session:
        session.trust_env = False
        answer = session.post(
            f"{world.hosts[0].url}/v1{path}",
            data=body,
            headers=typed | {"X-Forwarded-For": YOOKASSA},
            timeout=30,
        )
    assert answer.status_code != 401, answer.text


def test_an_answer_has_the_id_under_which_all_logs_have_it(world: World) -> None:
    answer = world.bot.send("GET", "/tariffs", headers={"X-Request-ID": "asked-by-bot-7"})
    assert answer.headers["X-Request-ID"] == "asked-by-bot-7"
    made_up = world.bot.get("/tariffs").headers["X-Request-ID"]
    # Lines are written after the answer.
    for number in ("asked-by-bot-7", made_up):
        wait_until(partial(world.know, number))


def test_no_request_fails_when_hosts_restart_in_turn_and_one_is_killed(world: World) -> None:
    load = Load(world.bot, world.engine, pause=0.1)
    with load.running():
        load.wait_for(MANY)
        for turn in range(ROUNDS):
            for host in world.hosts:
                host.stop()
                host.start()
                load.wait_for(MANY)
            killed = world.hosts[turn % 2]
            killed.kill()
            load.wait_for(MANY)
            killed.start()
            load.wait_for(MANY)
    statuses = [attempt.status for attempt in load.attempts]
    print(f"{len(statuses)} requests, {statuses.count(503)} of them asked to wait")
    # 503 is the answer of a host whose machine is too busy; reads and orders with a key alike.
    assert set(statuses) <= {200, 201, 503}, world.nginx.errors()
    load.require_everything_kept()
    assert any(host.address in world.nginx.lines() for host in world.hosts)
