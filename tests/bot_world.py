"""The bot with everything it stands on, and people who chat with it through the sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import psycopg2
import requests

from livephoto_client import Client
from local.client import is_ready
from local.postgres import throwaway
from local.processes import Child, ChildError, Program
from local.stack import BOT, SERVER, Stack
from settings import Settings
from settings.databases import plain
from tests.forks import ForkedChild
from tests.wire import ROOT

SAMPLES = ROOT / "local/samples"
SECONDS = 300  # of a machine that does other things, too
WORKER = Program("worker", ("-m", "lab.chaos.quick_worker", "--real-engine"), stop_seconds=30)
_ids = count(41_000_001)

Message = dict[str, Any]


class World:
    """A stack with a bot that can be killed, and the sandbox's controls."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.telegram = f"{stack.simulated.url}/control/telegram"
        self.bot = stack.launch(BOT)
        # Until then the backend receives Telegram's updates itself.
        self.bot.wait_until(lambda: "The bot is ready" in self.bot.said(), SECONDS)

    def control(self, method: str, path: str, **body: Any) -> Any:
        """Call a control of the sandbox, below /control/telegram unless the path is a URL."""
        url = path if path.startswith("http") else self.telegram + path
        answer = requests.request(method, url, json=body or None, timeout=60)
        assert answer.ok, answer.text
        return answer.json()

    def as_bot(self, method: str, **parameters: Any) -> None:
        """Call the Bot API as a program that has the same token."""
        settings = self.stack.settings
        url = f"{settings.telegram_api_url}/bot{settings.telegram_bot_token}/{method}"
        answer = requests.post(url, json=parameters, timeout=60)
        assert answer.ok, answer.text

    def execute(self, statement: str) -> None:
        """Change the rows of the backend, whose tests share no database."""
        url = plain(self.stack.settings.database_url)
        with closing(psycopg2.connect(url)) as connection, connection:
            connection.cursor().execute(statement)

    def restart(self, program: Program) -> Child:
        """kill -9, and start it again."""
        stack = self.stack
        (running,) = (each for each in stack.children if each.program == program)
        running.kill()
        stack.children.remove(running)
        stack.children.append(ForkedChild(program, environ=stack.environ(), logs=stack.logs))
        return stack.children[-1]

    def restart_bot(self) -> None:
        """kill -9, and start it again."""
        self.bot = self.restart(BOT)

    def restart_server(self, meanwhile: Callable[[], object]) -> None:
        """Do something while the server is away."""
        (server,) = (each for each in self.stack.children if each.program == SERVER)
        server.kill()
        self.stack.children.remove(server)
        meanwhile()
        launched = self.stack.launch(SERVER)
        launched.wait_until(lambda: is_ready(self.stack.url), SECONDS)

    def person(self, **about: Any) -> Person:
        """Somebody new who has written nothing yet."""
        person = Person(self, next(_ids))
        self.control("PUT", f"/users/{person.id}", **{"first_name": "Анна", **about})
        return person

    def pay(self, link: str, outcome: str = "pay") -> None:
        """Pay or decline on the page of YooKassa that a link leads to."""
        number = link.rpartition("/")[2]
        url = f"{self.stack.simulated.url}/control/yookassa/payments/{number}/{outcome}"
        self.control("POST", url)

    def supply(self, person: Person, times: int = 1) -> None:
        """Let somebody buy 20 tokens past the bot, which tells them; perhaps several times."""
        with Client(self.stack.url, self.stack.api_key) as client:
            user = client.users_register_or_login(telegram_id=str(person.id))
            for _ in range(times):
                intent = client.payments_create_intent(
                    user_id=user.id, amount_rub=Decimal(199), plan="start", provider="yookassa"
                )
                self.pay(intent.payment_url)
        person.sees("Начислено токенов: 20", times)


class Person:
    """Somebody who chats with the bot."""

    def __init__(self, world: World, id: int) -> None:
        self._world = world
        self.id = id

    def say(self, text: str) -> None:
        """Write to the bot."""
        self._world.control("POST", f"/users/{self.id}/say", text=text)

    def send(self, *names: str, kind: str = "photo") -> None:
        """Send sample photos, several as an album, as photos or as files."""
        files = [("file", (name, (SAMPLES / name).read_bytes())) for name in names]
        url = f"{self._world.telegram}/users/{self.id}/say"
        answer = requests.post(url, files=files, data={"kind": kind}, timeout=60)
        assert answer.ok, answer.text

    def press(self, label: str, **where: Any) -> str:
        """Press the newest button whose label has these words; what pops up, if anything does."""
        found = self.wait(lambda: self._button(label), f"a button {label!r}")
        press = {"label": found["text"], "wait": 30, **where}
        answer = self._world.control("POST", f"/users/{self.id}/press", **press)["answer"]
        return (answer or {}).get("text") or ""

    def link(self, label: str) -> str:
        """Where the newest button with these words leads."""
        found = self.wait(lambda: self._button(label), f"a button {label!r}")
        return str(found["url"])

    def sees(self, words: str, times: int = 1) -> Message:
        """Wait until so many messages have these words; the newest of them."""
        self.wait(lambda: len(self.having(words)) >= times, repr(words))
        return self.having(words)[-1]

    def gets(self, kind: str, times: int = 1) -> list[Message]:
        """Wait until so many files of this kind came from the bot."""
        self.wait(lambda: len(self._files(kind)) >= times, f"{times} {kind}")
        return self._files(kind)

    def having(self, words: str) -> list[Message]:
        """The bot's messages with these words."""
        return [each for each in self._of_bot() if words in _text(each)]

    def start(self) -> None:
        """Say hello and agree."""
        self.say("/start")
        self.press("Согласен")
        self.sees("Пришлите фотографию")

    def wait(self, fact: Callable[[], Any], what: str) -> Any:
        """Wait for a fact and return it; the failure shows the whole chat."""
        try:
            self._world.bot.wait_until(fact, SECONDS)
        except ChildError:
            chat = [_text(each) or [*each] for each in self.messages()]
            raise AssertionError(f"no {what} in {chat}\n{self._world.bot.said()[-3000:]}") from None
        return fact()

    def messages(self) -> list[Message]:
        """All that is to be seen in the chat, as it is now."""
        seen: list[Message] = self._world.control("GET", f"/chats/{self.id}/messages")["messages"]
        return seen

    def _of_bot(self) -> list[Message]:
        return [each for each in self.messages() if each["from"]["is_bot"]]

    def _files(self, kind: str) -> list[Message]:
        return [each for each in self._of_bot() if kind in each]

    def _button(self, label: str) -> dict[str, Any] | None:
        for message in reversed(self.messages()):
            for row in message.get("reply_markup", {}).get("inline_keyboard", []):
                for button in row:
                    if label in button["text"]:
                        return dict(button)
        return None


def _text(message: Message) -> str:
    return str(message.get("text") or message.get("caption") or "")


@contextmanager
def bot_world(
    folder_name: str = "bot", worker: Program = WORKER, **changes: Any
) -> Iterator[World]:
    """Database, sandbox, server, a worker with the real engine unless another is given, and the
    bot. changes: of settings.
    """
    with throwaway.state_folder(folder_name) as folder:
        given = Settings(
            environment="test", state_dir=folder, port=0, web_concurrency=1, require_consent=True
        )
        with Stack(programs=(worker, SERVER), **vars(given) | changes) as stack:
            world = World(stack)
            yield world
            said = world.bot.said()
            assert "Traceback" not in said, said


def logs_of(world: World) -> Path:
    """Where its programs write."""
    return world.stack.logs


__all__ = ["Child", "Person", "World", "bot_world", "logs_of"]
