"""Tag Users: who comes, who invited them, what they agree to, what they can spend."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.factories import make_image, make_user
from tests.live import Bot, done, refused, unchanged
from tests.threads import at_once

REGISTER = "/users/register-or-login"


def test_a_person_is_registered_once_and_found_ever_after(bot: Bot) -> None:
    first = bot.register(username="anna", anonUserId="visitor-1")
    assert first["balanceTokens"] == 0
    assert (first["consentPd"], first["hasLeftReview"]) == (False, False)

    again = bot.register(telegramId=first["telegramId"], username="anna_s", anonUserId="visitor-2")
    assert again == first | {"username": "anna_s", "updatedAt": again["updatedAt"]}
    assert done(bot.get(f"/users/{first['id']}"), 200) == again

    with unchanged():  # nothing new was said
        assert bot.register(telegramId=first["telegramId"]) == again


def test_an_empty_name_is_no_name_at_the_first_visit_as_later(bot: Bot) -> None:
    user = bot.register(username="", anonUserId="", refCode="")
    assert not user.keys() & {"username", "anonUserId", "referrerId"}
    named = bot.register(telegramId=user["telegramId"], username="anna", anonUserId="visitor-1")
    assert (named["username"], named["anonUserId"]) == ("anna", "visitor-1")
    with unchanged():
        assert bot.register(telegramId=user["telegramId"], username="", anonUserId="") == named


def test_null_is_not_a_value_that_is_left_out(bot: Bot) -> None:
    with unchanged():
        details = refused(bot.post(REGISTER, {"telegramId": "1", "username": None}), "bad_request")
    assert details == {"username": "must be of type string"}


def test_first_visits_at_once_make_one_user(bot: Bot) -> None:
    visitor = {"telegramId": uuid4().hex, "username": "anna"}
    answers = at_once(lambda: bot.post(REGISTER, visitor), 12)
    assert len({done(answer, 200)["id"] for answer in answers}) == 1


def test_only_the_first_visit_can_name_an_inviter(bot: Bot) -> None:
    inviter, other = bot.register(), bot.register()
    invited = bot.register(refCode=inviter["refCode"])
    assert invited["referrerId"] == inviter["id"]
    assert len({inviter["refCode"], other["refCode"], invited["refCode"]}) == 3

    known = invited["telegramId"]
    assert bot.register(telegramId=known, refCode=other["refCode"])["referrerId"] == inviter["id"]
    uninvited = bot.register(telegramId=other["telegramId"], refCode=inviter["refCode"])
    assert "referrerId" not in uninvited
    myself = bot.register(telegramId=inviter["telegramId"], refCode=inviter["refCode"])
    assert "referrerId" not in myself
    assert "referrerId" not in bot.register(refCode="of-nobody")


def test_consent_is_given_and_taken_back(bot: Bot) -> None:
    user = bot.register()
    for agreed in (True, True, False):
        changed = done(bot.patch(f"/users/{user['id']}/consent", {"consentPd": agreed}), 200)
        assert changed == user | {"consentPd": agreed, "updatedAt": changed["updatedAt"]}
        assert done(bot.get(f"/users/{user['id']}"), 200) == changed


def test_the_balance_is_what_can_be_spent_now(bot: Bot) -> None:
    user = make_user(12)
    assert bot.balance(user.id) == 12
    job = bot.order(user.id, make_image().id)
    assert bot.balance(user.id) == 7
    done(bot.post(f"/jobs/{job['id']}/cancel"), 200)
    assert bot.balance(user.id) == 12
    assert done(bot.get(f"/users/{user.id}"), 200)["balanceTokens"] == 12


@pytest.mark.parametrize("path", ["", "/balance", "/consent"])
def test_nobody_is_found_under_an_unknown_id(bot: Bot, path: str) -> None:
    with unchanged():
        for user_id, code in ((uuid4(), "user_not_found"), ("anna", "bad_request")):
            place = f"/users/{user_id}{path}"
            consent = {"consentPd": True}
            refused(bot.patch(place, consent) if path == "/consent" else bot.get(place), code)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "telegramId"),
        ({"telegramId": ""}, "telegramId"),
        ({"telegramId": 384726159}, "telegramId"),
        ({"telegramId": "3847 26159"}, "telegramId"),
        ({"telegramId": "1" * 33}, "telegramId"),
        ({"telegramId": "1", "username": "a" * 65}, "username"),
        ({"telegramId": "1", "username": "a\0b"}, "body"),
        ({"telegramId": "1", "refCode": None}, "refCode"),
    ],
)
def test_a_visit_that_makes_no_sense_is_refused(bot: Bot, body: Any, field: str) -> None:
    with unchanged():
        assert field in refused(bot.post(REGISTER, body), "bad_request")


def test_consent_is_true_or_false(bot: Bot) -> None:
    path = f"/users/{bot.register()['id']}/consent"
    with unchanged():
        for body in ({}, {"consentPd": "true"}, {"consentPd": None}):
            assert "consentPd" in refused(bot.patch(path, body), "bad_request")


def test_a_stranger_gets_nowhere(bot: Bot, server: Any) -> None:
    user = bot.register()
    stranger = Bot(server.url, key="a key that was never given to anybody")
    with stranger, unchanged():
        for answer in (
            stranger.get(f"/users/{user['id']}"),
            stranger.post(REGISTER, {"telegramId": "1"}),
            stranger.patch(f"/users/{user['id']}/consent", {"consentPd": True}),
            stranger.upload(b"\xff\xd8\xff\xe0"),
            stranger.post("/jobs", {}),
        ):
            refused(answer, "unauthorized")


def test_the_literal_client_of_the_contract_is_served_as_well(bot: Bot, server: Any) -> None:
    """`servers` ends with /api and every path begins with it."""
    user = bot.register()
    literal = Bot(f"{server.url}/api")
    with literal:
        assert done(literal.get(f"/users/{user['id']}"), 200) == user
        assert literal.register(telegramId=user["telegramId"]) == user
        refused(literal.get(f"/users/{uuid4()}"), "user_not_found")
    refused(bot.get(f"{server.url}/users/{user['id']}"), "not_found")
