"""Confidential data of people and providers is in no log, even at DEBUG."""

from __future__ import annotations

import re

from local.sandbox.telegram import TOKEN
from tests import wire
from tests.growth_world import SECRET, Growth
from tests.live import done

SECRETS = {TOKEN, TOKEN.partition(":")[2], SECRET, SECRET[::-1], wire.KEY, wire.SECOND_KEY}


def test_no_log_tells_a_secret_a_name_an_id_a_link_or_a_word(growth: Growth) -> None:
    inviter = growth.visitor()
    user = growth.visitor(refCode=inviter["refCode"])
    growth.join(user)
    growth.inject_fault(
        "status", "getChatMember", status=403, description="Forbidden: bot was kicked"
    )
    growth.inject_fault("html", "getChatMember")
    growth.inject_fault("drop", "getChatMember")
    for _ in range(2):
        growth.check_channel(user)
    update = growth.write(user)
    message = update["message"]
    link = f"https://t.me/live_photo_talk/{message['message_id']}"
    growth.inject_fault("drop", "forwardMessage")
    for _ in range(2):
        growth.check_review(user, link)
    growth.check_review(user, f"{link}/no/link")
    done(growth.forward(update), 200)
    growth.forward(update, **{"X-Telegram-Bot-Api-Secret-Token": "wrong-secret-of-a-stranger"})
    growth.forward({"update_id": 1, "message": message | {"date": user["username"]}})
    with growth.updates_posted():
        growth.pay(user, 200)
    with growth.worker():
        pass

    logs = growth.logs()
    # It is really the log: what may be logged is there.
    for word in ("getChatMember", "reviewsCheck", "webhookPayments", "worker started", "invoice"):
        assert word.lower() in logs.lower(), word
    confidential = SECRETS | growth.private | {"wrong-secret-of-a-stranger", link}
    assert [each for each in confidential if said(each, logs)] == []


def said(secret: str, logs: str) -> bool:
    """Whether a secret is in the logs, not within a longer number or name; also escaped as JSON."""
    spellings = {secret, secret.replace("/", "\\/"), secret.encode("unicode_escape").decode()}
    return any(
        re.search(rf"(?<![0-9A-Za-z]){re.escape(each)}(?![0-9A-Za-z])", logs) for each in spellings
    )
