"""What Anna does: she registers, uploads, pays, orders, changes her mind and looks at her books."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

from local.demo import OLD_PHOTO, PORTRAIT
from local.demo.bot import Bot, insist, say
from local.stack import Stack

BOUGHT_TOKENS = 20
ANIMATE_TOKENS = 10
RESTORE_TOKENS = 5
PATIENCE_SECONDS = 240
POLL_SECONDS = 0.3


def register(bot: Bot) -> str:
    """Register Anna and give her consent to data processing."""
    bot.call("GET", "/health/ready", 200, lambda b: f"all well: {', '.join(b['checks'])}")
    user = bot.call(
        "POST",
        "/users/register-or-login",
        200,
        lambda b: f"Anna is registered, her own invitation code is {b['refCode']}",
        json={"telegramId": "384726159", "username": "anna_sergeevna"},
        key="register-384726159",
    )
    user_id: str = user["id"]
    bot.call(
        "PATCH",
        f"/users/{user_id}/consent",
        200,
        lambda b: f"consent to personal data processing: {b['consentPd']}",
        json={"consentPd": True},
    )
    return user_id


def pay_for_waiting_order(stack: Stack, bot: Bot, user_id: str, data_id: str) -> str:
    """Place an order that the balance does not cover; it starts by itself once it is paid for."""
    job = request_job(bot, user_id, "animate", data_id, expected="waiting_payment")
    bot.call(
        "GET",
        "/tariffs",
        200,
        lambda b: "; ".join(f"{t['monthlyTokens']} tokens for {t['costRub']} RUB" for t in b),
    )
    intent = bot.call(
        "POST",
        "/payments/intents",
        201,
        lambda b: f"a {b['provider']} page to pay {b['amountRub']} RUB for {b['tokens']} tokens",
        json={"userId": user_id, "amountRub": 199, "plan": "start", "provider": "yookassa"},
        key=f"pay-{job['id']}",
    )
    url = intent["paymentUrl"]
    insist(url.startswith(stack.simulated.url), f"{url} is not a page of the sandbox")
    paid = bot.send("POST", url, 200, data={"do": "pay"})
    say("POST", urlsplit(url).path, paid.status_code, "Anna pays on the page of the sandbox")
    job_id: str = job["id"]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while bot.get(f"/jobs/{job_id}").json()["status"] == "waiting_payment":
        insist(time.monotonic() < deadline, "the payment never started the order")
        time.sleep(POLL_SECONDS)
    say("GET", f"/jobs/{job_id}", 200, "the webhook came: tokens are there, the order has started")
    return job_id


def upload(bot: Bot) -> str:
    """Upload the portrait through the server."""
    with PORTRAIT.open("rb") as file:
        data = bot.call(
            "POST",
            "/data",
            201,
            lambda b: f"{PORTRAIT.name} uploaded ({b['type']})",
            data={"type": "image"},
            files={"file": (PORTRAIT.name, file, "image/jpeg")},
        )
    data_id: str = data["id"]
    return data_id


def upload_by_form(bot: Bot) -> str:
    """Upload the old photo straight to the storage with a signed form, and confirm it."""
    form = bot.call(
        "POST",
        "/data/presign",
        200,
        lambda b: f"a signed upload form, good for {b['expiresInSeconds']} s",
        json={"type": "image", "fileName": OLD_PHOTO.name, "contentType": "image/jpeg"},
    )
    url = form["uploadUrl"]
    with OLD_PHOTO.open("rb") as file:
        sent = bot.send("POST", url, 200, 201, 204, data=form["fields"], files={"file": file})
    say("POST", urlsplit(url).path, sent.status_code, f"the storage took {OLD_PHOTO.name}")
    data = bot.call(
        "POST",
        f"/data/{form['dataId']}/confirm",
        200,
        lambda b: f"{OLD_PHOTO.name} confirmed, link good for {b['expiredIn']} s",
    )
    data_id: str = data["id"]
    return data_id


def request_job(
    bot: Bot,
    user_id: str,
    service: str,
    data_id: str,
    *,
    expected: str = "queued",
    key: str | None = None,
) -> dict[str, Any]:
    """POST /jobs; the job must be `expected` at once."""
    job: dict[str, Any] = bot.call(
        "POST",
        "/jobs",
        201,
        lambda b: (
            f"order {b['orderId']} to {service} is {b['status']}, "
            f"{b['tokensReserved']} tokens reserved"
        ),
        json={
            "userId": user_id,
            "serviceType": service,
            "input": [{"type": "image", "dataId": data_id}],
        },
        key=key,
    )
    insist(job["status"] == expected, f"order {job['orderId']} is {job['status']}")
    return job


def order(bot: Bot, user_id: str, service: str, data_id: str) -> str:
    """Order twice with one key, as after a lost answer: one job and one charge."""
    key = f"{service}-{data_id}"
    first, again = (request_job(bot, user_id, service, data_id, key=key) for _ in range(2))
    insist(first == again, "a repeated order was answered differently")
    job_id: str = first["id"]
    return job_id


def change_mind(bot: Bot, user_id: str, data_id: str) -> None:
    """Place a third order and cancel it before a worker takes it."""
    job = request_job(bot, user_id, "restore", data_id)
    cancelled = bot.call(
        "POST",
        f"/jobs/{job['id']}/cancel",
        200,
        lambda b: f"order {b['orderId']} is cancelled, its tokens are back",
    )
    insist(cancelled["meta"].get("reason") == "cancelled", f"cancelling left {cancelled}")
    expect_balance(bot, user_id, BOUGHT_TOKENS - ANIMATE_TOKENS - RESTORE_TOKENS)


def expect_balance(bot: Bot, user_id: str, tokens: int) -> None:
    """Check that the balance is `tokens`. SurpriseError."""
    path = f"/users/{user_id}/balance"
    balance = bot.call("GET", path, 200, lambda b: f"{b['balanceTokens']} tokens to spend")
    insist(balance["balanceTokens"] == tokens, f"the balance is {balance}, not {tokens}")


def watch(bot: Bot, job_id: str) -> None:
    """Poll the job until it is done; prints a line at every further quarter."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    shown: tuple[str, int] | None = None
    while shown is None or shown[0] != "done":
        insist(time.monotonic() < deadline, f"job {job_id} is not done in {PATIENCE_SECONDS} s")
        answer = bot.get(f"/jobs/{job_id}")
        job = answer.json()
        insist(job["status"] != "failed", f"job {job_id} failed: {job['meta']}")
        news = (job["status"], job["progress"] // 25)
        if news != shown:
            shown = news
            meaning = f"{job['serviceType']} is {job['status']}, {job['progress']}%"
            say("GET", f"/jobs/{job_id}", answer.status_code, meaning)
        time.sleep(POLL_SECONDS)


def read_books(bot: Bot, user_id: str) -> None:
    """Read Anna's orders and transactions."""
    jobs = bot.call(
        "GET",
        "/jobs",
        200,
        lambda b: ", ".join(f"{j['orderId']} {j['serviceType']} {j['status']}" for j in b),
        params={"userId": user_id},
    )
    insist([j["status"] for j in jobs] == ["failed", "done", "done"], f"the jobs are {jobs}")
    moves = bot.call(
        "GET",
        "/transactions",
        200,
        lambda b: ", ".join(f"{t['type']} {t['tokensDelta']:+}" for t in b),
        params={"userId": user_id},
    )
    left = BOUGHT_TOKENS - ANIMATE_TOKENS - RESTORE_TOKENS
    insist(sum(t["tokensDelta"] for t in moves) == left, f"the moves are {moves}")
