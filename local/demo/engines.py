"""What Boris does: he chooses a model of a provider, and meets a provider that is out of credit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import requests

from local.demo import PORTRAIT
from local.demo.bot import Bot, insist, say
from local.demo.results import check_moves, download
from local.demo.story import upload, watch
from local.stack import Stack

TELEGRAM_ID = "512094377"
TOKENS = 60
RUN_SECONDS = 8.0  # long enough to see some progress
CHOSEN, STANDS_IN = "replicate", "fal"
VIDEO = "portrait-by-{}.mp4"
CONTROL_SECONDS = 5


class Engines:
    """Boris, and the engines that the sandbox plays for him."""

    def __init__(self, stack: Stack, bot: Bot) -> None:
        self._stack = stack
        self._bot = bot
        self._user_id = ""
        self._photo_id = ""
        self._model: dict[str, Any] = {}

    def arrive(self) -> None:
        """Boris registers, uploads the portrait, and is given tokens to try."""
        user = self._bot.call(
            "POST",
            "/users/register-or-login",
            200,
            lambda b: "Boris is registered",
            json={"telegramId": TELEGRAM_ID, "username": "boris"},
        )
        self._user_id = user["id"]
        self._stack.cli("grant", TELEGRAM_ID, str(TOKENS), "--key", "demo", "--reason", "to try")
        say("CLI", "cli.py grant", "ok", f"Boris has {TOKENS} tokens to try")
        self._photo_id = upload(self._bot)

    def choose(self) -> None:
        """Look at the models on offer, and take the dearest one that animates."""
        offered = self._bot.call(
            "GET",
            "/models?serviceType=animate",
            200,
            lambda b: "; ".join(f"{m['title']} {m['priceTokens']}" for m in b),
        )
        self._model = max(offered, key=lambda each: each["priceTokens"])

    def order_by(self, engine: str, folder: Path) -> Path:
        """Order the chosen model; `engine` must make the video, which is saved in `folder`."""
        self._control(CHOSEN, "PUT", "/scripts/default", run_seconds=RUN_SECONDS)
        job = self._bot.call(
            "POST",
            "/jobs",
            201,
            lambda b: f"{self._model['title']} ordered for {b['tokensReserved']} tokens",
            json={
                "userId": self._user_id,
                "serviceType": "animate",
                "modelId": self._model["id"],
                "description": "Пусть улыбнётся",
                "input": [{"type": "image", "dataId": self._photo_id}],
            },
        )
        watch(self._bot, job["id"])
        made = self._bot.get(f"/jobs/{job['id']}").json()
        facts = made["meta"]
        insist(facts["engine"] == engine, f"{facts} was not made by {engine}")
        meaning = f"made by {facts['model']}, {facts['width']}x{facts['height']}"
        say("GET", f"/jobs/{job['id']}", 200, meaning)
        video = folder / VIDEO.format(engine)
        download(self._bot, job["id"], video)
        check_moves(video)
        return video

    def run_out_of_credit(self) -> None:
        """The operator has not paid Replicate's bill."""
        self._control(CHOSEN, "PUT", "/account", state="no_credit")
        say("PUT", f"/control/{CHOSEN}/account", 200, f"{CHOSEN} has no credit any more")

    def see_what_the_operator_sees(self) -> None:
        """The list of engines says which takes no orders, and why."""
        listing = self._stack.cli("engines", "list")
        line = next(each for each in listing.splitlines() if each.startswith(CHOSEN))
        insist("credit" in line, f"the operator is not told: {line}")
        say("CLI", "cli.py engines list", "ok", f"{CHOSEN} takes no orders: credit")

    def _control(self, engine: str, verb: str, path: str, **body: Any) -> None:
        url = f"{self._stack.simulated.url}/control/{engine}{path}"
        requests.request(verb, url, json=body, timeout=CONTROL_SECONDS).raise_for_status()


def play(stack: Stack, bot: Bot, folder: Path) -> list[tuple[Path, Path]]:
    """Play both orders; each result with its source."""
    engines = Engines(stack, bot)
    engines.arrive()
    engines.choose()
    by_choice = engines.order_by(CHOSEN, folder)
    engines.run_out_of_credit()
    by_another = engines.order_by(STANDS_IN, folder)
    engines.see_what_the_operator_sees()
    return [(by_choice, PORTRAIT), (by_another, PORTRAIT)]
