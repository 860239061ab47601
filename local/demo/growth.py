"""The demo's growth features: a channel, a review, a referral, a lottery.

Telegram and its users are simulated by the sandbox and controlled over HTTP.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from local.demo.bot import Bot, insist, say
from local.simulation import CHANNEL, REVIEWS
from local.stack import Stack

ANNA, BORIS = 384726159, 512000777
LOTTERY_SECONDS = 15
PATIENCE_SECONDS = 120


class Growth:
    """What Anna gets for spreading the word."""

    def __init__(self, stack: Stack, bot: Bot) -> None:
        self._stack, self._bot = stack, bot
        self._control_url = f"{stack.simulated.url}/control/telegram"

    def start_lottery(self) -> None:
        """Create a lottery, as the operator, that ends before the demo does."""
        start, end = datetime.now(UTC), datetime.now(UTC) + timedelta(seconds=LOTTERY_SECONDS)
        output = self._stack.cli(
            *("lottery", "create", "Розыгрыш", "--description", "Зовите друзей"),
            *("--start", start.isoformat(), "--end", end.isoformat()),
            *("--prize", "1x20x20 токенов"),
        )
        say("CLI", "cli.py lottery create", "ok", f"made, {output.split('  ')[-1].strip()}")
        self._bot.call(
            "GET",
            "/lotteries/current",
            200,
            lambda b: f"it runs, promised seed {b['seedHash'][:12]}...",
        )

    def take_part(self, name: str, user_id: str) -> None:
        """Enter the lottery with a post about it."""
        links = [f"https://vk.com/{name.lower()}"]
        self._bot.call(
            "POST",
            "/lotteries/entries/submit-social",
            200,
            lambda b: f"{name} takes part with {len(b['socialLinks'])} link",
            json={"userId": user_id, "socialLinks": links},
        )

    def join_channel(self, user_id: str) -> None:
        """Check before joining, after joining, and once more: one bonus."""
        body = {
            "userId": user_id,
            "telegramId": str(ANNA),
            "channelUsername": f"@{CHANNEL['username']}",
        }
        for expected in ((False, False), (True, True), (True, False)):
            found = self._bot.call(
                "POST",
                "/subscriptions/check-channel",
                200,
                lambda b: f"member: {b['isMember']}, bonus now: {b['bonusGranted']}",
                json=body,
            )
            insist((found["isMember"], found["bonusGranted"]) == expected, str(found))
            self._control("PUT", f"/chats/{CHANNEL['id']}/members/{ANNA}", status="member")

    def write_review(self, user_id: str) -> None:
        """Write in the review group; the update reaches the server by the webhook."""
        text = "Бабушка улыбнулась, спасибо!"
        self._control("POST", "/messages", chat_id=REVIEWS["id"], user_id=ANNA, text=text)
        deadline = time.monotonic() + PATIENCE_SECONDS
        body = {"userId": user_id}
        while not self._bot.post("/reviews/check", body)["found"]:
            insist(time.monotonic() < deadline, "the review never arrived")
            time.sleep(0.3)
        again = self._bot.call(
            "POST",
            "/reviews/check",
            200,
            lambda b: f"Anna's review is found, rewarded once; {b['balanceTokens']} tokens",
            json=body,
        )
        insist(again["found"] and not again["bonusGranted"], str(again))

    def invite(self, user_id: str) -> None:
        """Boris comes by Anna's link and pays with Telegram Stars; Anna is rewarded."""
        query = {"params": {"userId": user_id}}
        link = self._bot.call("GET", "/referrals/link", 200, lambda b: b["refLink"], **query)
        boris = self._bot.call(
            "POST",
            "/users/register-or-login",
            200,
            lambda b: "Boris is registered by Anna's link",
            json={"telegramId": str(BORIS), "refCode": link["refLink"].rpartition("=")[2]},
        )
        self.take_part("Boris", boris["id"])
        intent = self._bot.call(
            "POST",
            "/payments/intents",
            201,
            lambda b: f"an invoice in Telegram Stars for {b['tokens']} tokens",
            json={
                "userId": boris["id"],
                "amountRub": 499,
                "plan": "family",
                "provider": "telegram",
            },
            key="boris-pays",
        )
        self._control("POST", "/pay", link=intent["paymentUrl"], user_id=BORIS)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._bot.get("/referrals/stats", **query).json()["invitedPaidCount"]:
            insist(time.monotonic() < deadline, "the invited friend never paid")
            time.sleep(0.3)
        self._bot.call(
            "GET",
            "/referrals/stats",
            200,
            lambda b: (
                f"{b['totalInvited']} invited, {b['invitedPaidCount']} paid, "
                f"{b['refEarned']} tokens earned"
            ),
            **query,
        )

    def see_the_draw(self) -> None:
        """Wait for the worker's draw; then compute the same winner from the published proof."""
        deadline = time.monotonic() + LOTTERY_SECONDS + PATIENCE_SECONDS
        while not (drawn := self._bot.get("/lotteries/history").json()[0]).get("winners"):
            insist(time.monotonic() < deadline, "the lottery was not drawn")
            time.sleep(0.5)
        winner = drawn["winners"][0]["entryId"]
        say("GET", "/lotteries/history", 200, f"drawn: entry {winner[:8]}… wins")
        self._stack.cli("lottery", "verify", drawn["id"])
        proof = self._stack.settings.state_dir / "proof.json"
        proof.write_text(self._stack.cli("lottery", "entries", drawn["id"]))
        script = [sys.executable, "docs/verify_lottery.py", str(proof)]
        ended = subprocess.run(script, capture_output=True, text=True, check=False)  # noqa: S603 ours
        insist(winner in ended.stdout, f"the stand-alone script says {ended}")
        entries = len(json.loads(proof.read_text())["entries"])
        say("CHECK", "docs/verify_lottery.py", "ok", f"the same winner among {entries}")

    def _control(self, method: str, path: str, **body: Any) -> None:
        self._bot.send(method, f"{self._control_url}{path}", 200, json=body)
