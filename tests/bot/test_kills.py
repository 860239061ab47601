"""Bot, server and worker are killed at random while people order: what has ended is told."""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random

import requests

from bot import texts
from livephoto_client import Client, Job
from local.client import is_ready
from local.processes import Program, comes_true
from local.stack import BOT, SERVER
from tests.bot_world import SAMPLES, SECONDS, Person, World, bot_world
from tests.wire import wait_until

SEED, PEOPLE = 12, 4
QUICK = Program("worker", ("-m", "lab.chaos.quick_worker"), stop_seconds=30)
KILLED = (BOT, BOT, SERVER, SERVER, QUICK, QUICK)
PAUSES = (0.5, 2.5)  # seconds from when all run again to the next one
PATIENCE = 10.0  # seconds, then the photo is sent again
PURCHASES = 5  # of each person, for two orders each
PHOTO = SAMPLES / "tiny_portrait_150px.jpg"


def test_whoever_is_killed_every_order_that_has_ended_reaches_its_chat_once_or_says_so() -> None:
    with bot_world("kills", QUICK, job_lease_seconds=2) as world:
        jobs = live_through_kills(world, Random(SEED))
    assert sum(job.status == "done" for job in jobs) >= PEOPLE


def live_through_kills(world: World, chance: Random) -> list[Job]:
    """Let people order while all that can be killed is killed; their orders that have ended, each
    of which has been told.
    """
    people = [world.person() for _ in range(PEOPLE)]
    for person in people:
        person.start()
        world.supply(person, PURCHASES)
    enough = threading.Event()
    with ThreadPoolExecutor(PEOPLE) as pool:
        living = [
            pool.submit(live, world, person, Random(chance.random()), enough) for person in people
        ]
        try:
            for program in chance.sample(KILLED, len(KILLED)):
                time.sleep(chance.uniform(*PAUSES))
                kill(world, program)
        finally:
            enough.set()
        for each in living:
            each.result()
    ended = []
    with Client(world.stack.url, world.stack.api_key) as client:
        for person in people:
            wait_until(lambda p=person: not moving(client, p), SECONDS)
            jobs = [job for job in orders(client, person) if job.status in ("done", "failed")]
            wait_until(lambda p=person, j=jobs: all(is_told(p, each) for each in j), SECONDS)
            check(person, jobs)
            ended += jobs
    return ended


def kill(world: World, program: Program) -> None:
    """And start it again; killing what has not begun to work would prove nothing."""
    if program == BOT:
        world.restart_bot()
        started = world.bot
    else:
        started = world.restart(program)
    ready = {
        BOT: lambda: "The bot is ready" in started.said(),
        SERVER: lambda: is_ready(world.stack.url),
        QUICK: lambda: "worker started" in started.said(),
    }
    started.wait_until(ready[program], SECONDS)


def live(world: World, person: Person, chance: Random, enough: threading.Event) -> None:
    """Send a photo, wait for an answer for a while, press what there is, perhaps twice; until all
    have been killed and an order is done, which may be the first on a busy machine.
    """
    while not (enough.is_set() and person.having("готов ✅")):
        heard = len(person.having(""))
        person.send(PHOTO.name)
        # No answer may come: the bot may be killed, or restarted, meanwhile. Then the next round.
        comes_true(lambda before=heard: len(person.having("")) > before, PATIENCE)
        for message, labels in menus(person).items():
            for label in chance.choices(labels, k=chance.randint(1, 2)):
                url = f"{world.telegram}/users/{person.id}/press"
                press = {"label": label, "message_id": message, "wait": chance.uniform(0, 3)}
                requests.post(url, json=press, timeout=60)


def menus(person: Person) -> dict[int, list[str]]:
    """The choices in a chat that are still open, and what they offer."""
    found: dict[int, list[str]] = {}
    for message in person.messages():
        for row in message.get("reply_markup", {}).get("inline_keyboard", []):
            for button in row:
                if button.get("callback_data", "").startswith("o:"):
                    found.setdefault(message["message_id"], []).append(button["text"])
    return found


def orders(client: Client, person: Person) -> list[Job]:
    user = client.users_register_or_login(telegram_id=str(person.id))
    return client.jobs_list(user_id=user.id)


def moving(client: Client, person: Person) -> bool:
    return any(job.status in ("queued", "processing") for job in orders(client, person))


def is_told(person: Person, job: Job) -> bool:
    """Whether the order's message says how it ended; that comes last."""
    return bool(person.having(texts.done(job) if job.status == "done" else texts.failed(job)))


def check(person: Person, jobs: list[Job]) -> None:
    """Each menu has become one order, each result is there, and none twice in silence."""
    places = [job.client_ref for job in jobs]
    assert len(set(places)) == len(places)
    names = [each["document"]["file_name"] for each in person.gets("document", 0)]
    files = [re.sub(r"\D", "", name.partition(".")[0]) for name in names]  # orders' numbers
    assert {*files} == {job.order_id for job in jobs if job.status == "done"}
    for job in jobs:
        if job.status == "failed":
            assert person.having(f"№{job.order_id}")[1:], "told by a message of its own, too"
    assert len(files) - len({*files}) <= len(person.having(texts.REPEATED))
