"""A person's data, from the first visit to the last trace, as the bot and the operator see them."""

from __future__ import annotations

import json
import subprocess
import time
import zipfile
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.engine import make_url

from db.connections import database_url
from local.postgres import binaries
from tests.command_line import CommandLine, cells, command_line, complain, say
from tests.job_steps import VIDEO, claim_job, finish_job
from tests.live import done, order, refused
from tests.provider_world import ProviderWorld, books
from tests.wire import wait_until

PHOTO = Path("local/samples/portrait.jpg").read_bytes()


class Story:
    """Somebody who has used everything; `mark` is in all that they said."""

    def __init__(self, till: ProviderWorld) -> None:
        bot, self.mark = till.bot, f"mark{uuid4().hex}"
        # So long that no other number contains it.
        self.telegram_id = f"9{time.time_ns() % 10**13:013}"
        name = {"telegramId": self.telegram_id, "username": self.mark, "anonUserId": self.mark}
        self.user = till.customer(**name)
        user_id = self.user["id"]
        self.user = done(
            bot.patch(f"/users/{user_id}/email", {"email": f"{self.mark}@example.org"}), 200
        )
        self.photo = done(bot.upload(PHOTO, name=f"{self.mark}.jpg"), 201)
        self.paid = till.buy(self.user, "yookassa", clientRef=self.mark)
        wish = order(user_id, self.photo["id"]) | {"clientRef": self.mark, "description": self.mark}
        self.job = done(bot.post("/jobs", wish, key=f"{self.telegram_id}:1"), 201)
        finish_job(claim_job(self.job["id"]))
        self.queued = done(bot.post("/jobs", wish), 201)
        self.open = till.intent(self.user, "stripe", clientRef=self.mark)
        wish = {"userId": user_id, "topic": "help", "message": f"Удалите меня, {self.mark}"}
        self.request = done(bot.post("/support/requests", wish), 201)
        self.links = [
            self.photo["publicS3Url"],
            done(bot.get(f"/jobs/{self.job['id']}"), 200)["resultUrl"],
        ]

    @property
    def words(self) -> tuple[str, ...]:
        """What leads to them."""
        return self.mark, self.telegram_id, self.user["refCode"]


def dumped() -> str:
    """The whole database, as pg_dump writes it."""
    url = make_url(database_url())
    environ = {"PGPASSWORD": url.password or ""}
    plain = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    program = binaries.find().bin / "pg_dump"
    return subprocess.run(
        [str(program), plain], env=environ, stdout=subprocess.PIPE, check=True, text=True
    ).stdout


def traces(words: tuple[str, ...]) -> list[str]:
    return [line for line in dumped().splitlines() if any(word in line for word in words)]


@pytest.fixture
def cli(till: ProviderWorld) -> Any:
    with command_line(**till.environ) as terminal:
        yield terminal


def read(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The tables and the files of an export."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        tables = {n[:-5]: json.loads(archive.read(n)) for n in names if n.endswith(".json")}
        return tables, {n: archive.read(n) for n in names if n.startswith("files/")}


def test_all_that_is_kept_is_handed_out_and_then_is_gone(
    till: ProviderWorld, cli: CommandLine, tmp_path: Path
) -> None:
    somebody, story = Story(till), Story(till)
    target = tmp_path / "anna.zip"
    said = say(cli, "user", "export", story.telegram_id, "--to", str(target))
    assert said == f"{target} holds everything kept about {story.user['id']}"
    assert target.stat().st_mode & 0o077 == 0 and list(tmp_path.iterdir()) == [target]
    tables, files = read(target)
    (user,) = tables["users"]
    assert (user["telegram_id"], user["email"]) == (story.telegram_id, f"{story.mark}@example.org")
    assert [each["agreed"] for each in tables["consents"]] == [True]
    assert {each["id"] for each in tables["jobs"]} == {story.job["id"], story.queued["id"]}
    assert {each["id"] for each in tables["payments"]} == {story.paid["id"], story.open["id"]}
    assert [each["message"] for each in tables["support_requests"]] == [story.request["message"]]
    assert {each["type"] for each in tables["events"]} >= {"payment.succeeded", "job.done"}
    assert tables["payment_events"] and tables["transactions"]
    assert sorted(files.values()) == sorted([PHOTO, VIDEO])
    assert somebody.mark not in json.dumps(tables) and "files_missing" not in tables

    assert traces(story.words)
    others = len(traces(somebody.words))
    erase = "user", "erase", story.telegram_id, "--reason", "asked for by /delete_me"
    code, output, complaint = cli.run(*erase)
    assert code == 1 and "live jobs: 1" in output and "open requests: 1" in output, complaint
    assert traces(story.words), "nothing happens without a yes"
    said = say(cli, *erase, "--yes")
    assert said.endswith(f"{story.user['id']} is erased; 2 files deleted")
    assert traces(story.words) == []
    assert len(traces(somebody.words)) == others, "somebody else lost something"
    for link in story.links:
        assert till.bot.session.get(link, timeout=30).status_code in (403, 404)
    assert books() == {}
    refused(till.bot.get(f"/users/{story.user['id']}"), "user_not_found")
    refused(till.bot.get(f"/jobs/{story.job['id']}"), "job_not_found")
    numbers = [row[0] for row in cells(say(cli, "support", "list"))]
    assert str(story.request["number"]) not in numbers
    assert "the account was erased at" in complain(cli, *erase, "--yes")
    assert complain(cli, "user", "export", story.telegram_id).startswith("user_not_found")
    assert "is erased; 0 files" in say(cli, *erase[:2], story.user["id"], *erase[3:], "--yes")


def test_money_that_comes_after_the_erasure_waits_for_the_operator(
    till: ProviderWorld, cli: CommandLine
) -> None:
    story = Story(till)
    late = till.intent(story.user, "yookassa")
    say(cli, "user", "erase", story.telegram_id, "--reason", "asked", "--yes")
    till.pay(story.user, late)  # YooKassa's page cannot be closed
    wait_until(lambda: "erased_user" in say(cli, "events", "list", "--flagged"))
    assert traces(story.words) == []
    assert say(cli, "payments", "refund", late["id"], "--key", "back") == "applied"
    back = till.bot.register(telegramId=story.telegram_id)
    assert back["id"] != story.user["id"]


def test_a_provider_that_does_not_answer_is_waited_for(
    till: ProviderWorld, cli: CommandLine
) -> None:
    story = Story(till)
    till.sandbox.inject_fault("stripe", "status", status=500, times=50)
    said = complain(cli, "user", "erase", story.user["id"], "--reason", "asked", "--yes")
    assert "is unpaid, and its provider does not say" in said and "stripe" in said
    till.sandbox.clear_faults("stripe")
    say(cli, "user", "erase", story.user["id"], "--reason", "asked", "--yes")
    assert traces(story.words) == []
