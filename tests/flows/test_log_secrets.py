"""All output of the processes of a whole story is searched for its secrets.

Server, worker and database at LOG_LEVEL=DEBUG; the sandbox is left out, as it simulates others.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg2
import pytest
import requests

from local import demo
from local.demo import bot as demo_bot
from local.demo import results, story
from local.demo.__main__ import grow
from local.demo.growth import Growth
from local.postgres import throwaway
from local.processes import Program
from local.stack import SERVER, WORKER, Stack
from settings import PROVIDERS, Settings
from settings.databases import plain
from tests.live import Bot, done, order, refused
from tests.provider_world import signed
from tests.wire import wait_until

# Names of members, form fields and headers whose values may be in no log.
PRIVATE = {
    "telegramId",
    "username",
    "fileName",
    "description",
    "clientRef",
    "email",
    "refCode",
    "anonUserId",
    "socialLinks",
    "messageLink",
    "publicS3Url",
    "resultUrl",
    "paymentUrl",
    "url",
    "text",
    "user_id",
    "policy",
    "signature",
    "x-api-key",
    "idempotency-key",
    "stripe-signature",
    "x-telegram-bot-api-secret-token",
}
# Public values, such as the text of a lottery.
COMMONPLACE = {"Зовите друзей", "http", "https"}
SHORTEST = 5
QUICK_WORKER = Program("quick-worker", ("-m", "lab.chaos.quick_worker"), stop_seconds=25)
MARK = "zq7private"


class PrivateValues:
    """Values sent or received by this process that must not be in a log."""

    def __init__(self) -> None:
        self.values: set[str] = set()
        # Providers' payment ids are shown to operators, although URLs may end with them.
        self.references: set[str] = set()

    def collect(self, data: Any, name: str = "") -> None:
        """Collect the private values of `data`, at any depth."""
        if isinstance(data, dict):
            for key, value in data.items():
                self.collect(value, key)
        elif isinstance(data, list):
            for each in data:
                self.collect(each, name)
        elif name == "reference":
            self.references.add(str(data))
        elif name.lower() in _PRIVATE and data not in (None, ""):
            self.add(str(data))

    def add(self, value: str) -> None:
        """Add a value; of a URL only the private parts, path and query."""
        parts = urlsplit(value) if re.match("https?://", value) else None
        found = [parts.path.rpartition("/")[2], parts.query] if parts else [value]
        self.values |= {each for each in found if len(each) >= SHORTEST} - COMMONPLACE


_PRIVATE = {name.lower() for name in PRIVATE}


@pytest.fixture
def private_values(monkeypatch: pytest.MonkeyPatch) -> PrivateValues:
    """Listens to every request of this process and to its answer."""
    private, send = PrivateValues(), requests.Session.send

    def listening(
        session: requests.Session, request: requests.PreparedRequest, **options: Any
    ) -> requests.Response:
        answer = send(session, request, **options)
        private.collect(dict(request.headers))
        for body in (request.body, answer.content):
            with suppress(ValueError, TypeError):
                private.collect(json.loads(body or b""))
        return answer

    monkeypatch.setattr(requests.Session, "send", listening)
    return private


@pytest.fixture
def stack() -> Iterator[Stack]:
    """The whole backend, logging at DEBUG; its first worker takes milliseconds for a photo."""
    with throwaway.state_folder("logs") as folder:
        defaults = Settings(
            environment="test", state_dir=folder, port=0, web_concurrency=1, log_level="DEBUG"
        )
        with Stack(programs=(QUICK_WORKER, SERVER), **vars(defaults)) as running:
            yield running


def test_no_log_of_a_whole_story_holds_a_secret_or_anything_personal(
    stack: Stack, private_values: PrivateValues, tmp_path: Path
) -> None:
    play_the_demo(stack, tmp_path)
    with Bot(stack.url, stack.api_key) as bot:
        refuse_all_sorts(stack, bot)
        stack.launch(WORKER)  # whose engine opens the photos
        order_what_cannot_be_done(stack, bot)
        pay_at_broken_providers(stack, bot)
        wait_in_vain_for_a_row(stack, bot)
        lose_the_database(stack, bot)
    stack.stop()

    logs = texts(stack)
    assert {"server.log", "worker.log", "postgres"} <= logs.keys()
    assert "canceling statement due to lock timeout" in logs["postgres"]
    assert len(private_values.values) > 30
    found = {
        (name, value)
        for value in secrets_of(stack) | private_values.values - private_values.references | {MARK}
        for name, text in logs.items()
        for form in {value, quote(value), json.dumps(value)[1:-1]}
        if form in text
    }
    assert not found, found


def play_the_demo(stack: Stack, folder: Path) -> None:
    """The story of `make demo`, without a look at the photos."""
    quick = next(each for each in stack.children if each.program is QUICK_WORKER)
    anna = demo_bot.Bot(stack.url, stack.api_key)
    user_id = story.register(anna)
    portrait, old_photo = story.upload(anna), story.upload_by_form(anna)
    animate = story.pay_for_waiting_order(stack, anna, user_id, portrait)
    restore = story.order(anna, user_id, "restore", old_photo)
    story.watch(anna, restore)
    quick.send_signal(signal.SIGSTOP)
    story.change_mind(anna, user_id, portrait)
    quick.send_signal(signal.SIGCONT)
    story.read_books(anna, user_id)
    grow(Growth(stack, anna), user_id)
    results.download(anna, animate, folder / "video")
    quick.stop()
    stack.children.remove(quick)


def refuse_all_sorts(stack: Stack, bot: Bot) -> None:
    """Cause refusals whose reason is something that was sent."""
    user = bot.register(username=f"{MARK}_user", anonUserId=f"{MARK}-anonymous")
    link = done(bot.upload(demo.PORTRAIT.read_bytes(), name=f"{MARK}.jpg"), 201)["publicS3Url"]
    refused(bot.get(f"/users/{MARK}"), "bad_request")
    refused(bot.get("/jobs", userId=user["id"], cursor=MARK), "bad_request")
    refused(bot.post("/users/register-or-login", {"telegramId": f"{MARK} "}), "bad_request")
    refused(bot.post("/payments/intents", {"userId": user["id"], "plan": MARK}), "bad_request")
    inside = [{"url": f"http://127.0.0.1/{MARK}.jpg?{MARK}"}]
    refused(bot.post("/jobs", {**order(user["id"], MARK), "input": inside}), "bad_request")
    refused(bot.upload(MARK.encode(), name=f"{MARK}.jpg"), "unsupported_media_type")
    refused(bot.get(f"{link}{MARK}"), "link_invalid")
    refused(requests.get(f"{stack.url}/{MARK}?{MARK}={MARK}"), "not_found")
    refused(requests.get(f"{bot.url}/tariffs", headers={"X-API-Key": MARK}), "unauthorized")
    api = f"{bot.url}/webhooks/payments"
    body, forged = signed({"id": MARK}, f"whsec_{MARK}")
    for headers in ({"Stripe-Signature": forged}, {"X-Telegram-Bot-Api-Secret-Token": MARK}):
        for provider in PROVIDERS:
            requests.post(f"{api}/{provider}", json=json.loads(body), headers=headers)


def order_what_cannot_be_done(stack: Stack, bot: Bot) -> None:
    """Place orders that a worker fails, with a reason of its own."""
    user = bot.register()
    pictures = [
        {"type": "image", "url": f"https://{MARK}.invalid/{MARK}.jpg"},
        {"type": "image", "dataId": done(bot.upload(TRUNCATED, name=MARK), 201)["id"]},
    ]
    stack.cli("grant", user["id"], "100", "--key", MARK, "--reason", MARK)
    wishes = [
        {
            **order(user["id"], user["id"]),
            "input": [picture],
            "description": f"{MARK} бабушка",
            "clientRef": f"{MARK}:1",
        }
        for picture in pictures
    ]
    jobs = [done(bot.post("/jobs", wish, key=f"{MARK}-{n}"), 201) for n, wish in enumerate(wishes)]
    wait_until(lambda: all(status_of(bot, job) == "failed" for job in jobs))
    assert bot.balance(user["id"]) == 100


def pay_at_broken_providers(stack: Stack, bot: Bot) -> None:
    """Pay at providers that answer with nonsense or not at all."""
    control = f"{stack.simulated.url}/control"
    user = bot.register()
    wish = {"userId": user["id"], "amountRub": 100}
    for kind, more in (("html", {}), ("status", {"status": 500}), ("drop", {})):
        for provider in PROVIDERS:
            script, key = {"kind": kind, "times": 9, **more}, f"{MARK}-{kind}-{provider}"
            faults_url = f"{control}/{provider}/faults"
            requests.post(faults_url, json=script, timeout=60).raise_for_status()
            answer = bot.post("/payments/intents", {**wish, "provider": provider}, key=key)
            refused(answer, "provider_unavailable")
            requests.delete(faults_url, timeout=60).raise_for_status()
    for provider in PROVIDERS:
        done(bot.post("/payments/intents", {**wish, "provider": provider}), 201)


def wait_in_vain_for_a_row(stack: Stack, bot: Bot) -> None:
    """Cause statements that PostgreSQL cancels and logs itself."""
    user = bot.register()
    visit = {"telegramId": user["telegramId"], "username": f"{MARK}_later"}
    url = plain(stack.settings.database_url)
    with closing(psycopg2.connect(url)) as held, held.cursor() as cursor:
        cursor.execute("SELECT 1 FROM users WHERE id = %s FOR UPDATE", (user["id"],))
        refused(bot.post("/users/register-or-login", visit), "service_unavailable")


def lose_the_database(stack: Stack, bot: Bot) -> None:
    """Let all processes lose their database."""
    user = bot.register()
    stack.postgres.stop()
    refused(bot.get(f"/users/{user['id']}"), "service_unavailable")
    refused(bot.post("/users/register-or-login", {"telegramId": "77001"}), "service_unavailable")
    wait_until(lambda: bot.get("/health/ready").status_code == 503)  # cached for a second
    worker = stack.logs / "worker.log"
    wait_until(lambda: "database or storage unavailable" in worker.read_text("utf-8"))


def secrets_of(stack: Stack) -> set[str]:
    """Values of all secret settings, the database's password, and the key that signs links."""
    found: set[str] = set()
    for each in fields(Settings):
        if each.metadata["secret"]:
            value = getattr(stack.settings, each.name)
            found |= set(value) if isinstance(value, tuple) else {value}
    found.add(urlsplit(stack.settings.database_url).password or "")
    found.add((stack.settings.state_dir / "files/links.key").read_text("latin-1"))
    found = {each for each in found if each}
    assert len(found) > 7
    return found


def texts(stack: Stack) -> dict[str, str]:
    """All logs by name but the sandbox's."""
    programs = {file.name: file for file in stack.logs.glob("*.log")}
    assert stack.postgres is not None
    return {
        name: file.read_text("utf-8", "replace")
        for name, file in {**programs, "postgres": stack.postgres.log}.items()
        if not name.startswith("sandbox")
    }


def status_of(bot: Bot, job: dict[str, Any]) -> str:
    status: str = done(bot.get(f"/jobs/{job['id']}"), 200)["status"]
    return status


TRUNCATED = demo.PORTRAIT.read_bytes()[:9000]
