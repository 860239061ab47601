"""People in the console: found by anything, seen whole, given tokens, banned."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from html import unescape
from uuid import uuid4

import pytest

from console.pages import people as pages_of_people
from db import transaction
from db.types import now
from services import people, queue, users
from services.audit import Entry
from tests.console.browsing import World, acting, entries
from tests.factories import balance, make_job, make_user, stored_image
from tests.job_steps import claim_job, finish_job
from tests.payment_events import buyer_with_payment
from workflows.actions import recorded

pytestmark = pytest.mark.usefixtures("no_rows")


def test_the_only_thing_that_is_called_so_opens_at_once(console: World) -> None:
    support = console.operator("support")
    user_id, payment = buyer_with_payment("stripe")
    user = make_user(10, username="anna_sergeevna")
    job = make_job(user.id)
    for words, page in (
        (user.telegram_id, f"/people/{user.id}"),
        ("@ANNA_s", f"/people/{user.id}"),
        (str(job.number), f"/orders/{job.id}"),
        (str(payment.id), f"/payments/{payment.id}"),
        (payment.reference, f"/payments/{payment.id}"),
        (str(user_id), f"/people/{user_id}"),
    ):
        answer = support.get("/search", q=words)
        assert (answer.status_code, answer.headers.get("Location")) == (302, page), words
        assert support.get(page).status_code == 200
    file = support.get("/search", q=str(stored_image(b"photo").id))
    assert support.get(file.headers["Location"]).status_code == 200
    assert "Ничего не найдено" in support.get("/search", q="nobody at all").text
    assert "Введите" in support.get("/search").text


def test_who_may_not_see_people_finds_none(console: World) -> None:
    user = make_user(username="anna_private")
    answer = console.operator("viewer").get("/search", q="anna_private")
    assert answer.status_code == 200 and str(user.id) not in answer.text


def test_a_person_is_seen_with_all_that_happened(console: World) -> None:
    inviter = make_user(30, username="the_inviter")
    friend = make_user(ref_code=inviter.ref_code)
    job = make_job(inviter.id)
    with (
        acting("anna"),
        recorded(Entry("user.ban", f"user:{inviter.id}", "чужие карты")) as session,
    ):
        people.ban(session, inviter.id, reason="чужие карты", now=now())
    page = console.operator("support").get(f"/people/{inviter.id}").text
    for piece in (
        f"/orders/{job.id}",
        f"/people/{friend.id}",
        "человек: заблокировать",
        "anna: чужие карты",
        "списание за заказ",
        inviter.ref_code,
    ):
        assert piece in page, piece
    unknown = console.operator("support").get(f"/people/{job.id}")
    assert unknown.status_code == 404


def test_people_are_listed_by_day_and_by_ban(console: World) -> None:
    support = console.operator("support")
    free, banned = make_user(username="is_free"), make_user(username="is_banned")
    with transaction() as session:
        people.ban(session, banned.id, reason="x", now=now())
    everybody, few = support.get("/people/").text, support.get("/people/", only="banned").text
    assert "is_free" in everybody and "is_banned" in everybody
    assert "is_free" not in few and "is_banned" in few
    assert str(free.id) not in support.get("/people/", until="2020-01-01").text
    assert support.get("/people/", since="tomorrow").status_code == 400


def test_pictures_are_sent_when_they_are_opened_and_that_is_kept(console: World) -> None:
    support = console.operator("support")
    user = make_user(10)
    job = make_job(user.id, "animate", data_id=stored_image(b"photo").id)
    finish_job(claim_job(str(job.id)))
    for path, target in ((f"/orders/{job.id}", f"job:{job.id}"), (f"/people/{user.id}", "")):
        closed = support.get(path).text
        assert '<img src="http' not in closed and "<video" not in closed
        opened_page = support.post(f"{path}/pictures", seen=path).text
        assert "<video src=" in opened_page and "/objects/" in opened_page
        assert entries("picture.open")[-1].target == (target or f"user:{user.id}")
        assert entries("picture.open")[-1].who == "the-support"
    viewer = console.operator("viewer")
    page = viewer.get(f"/orders/{job.id}")
    assert page.status_code == 200 and "pictures" not in page.text
    assert viewer.post(f"/orders/{job.id}/pictures", seen=f"/orders/{job.id}").status_code == 403


def test_tokens_are_given_after_their_effect_was_shown_and_once_for_a_form(console: World) -> None:
    support = console.operator("support")
    user = make_user(2)
    waiting = make_job(user.id)
    path = f"/people/{user.id}/tokens/grant"
    shown = support.get(path, tokens="10", reason="извинения")
    assert "Баланс сейчас 2, станет 7" in shown.text and "начнутся: 1" in shown.text
    form = support.hidden(f"{path}?tokens=10&reason=x") | {"tokens": "10", "reason": "извинения"}
    first = support.client.post(path, data=form)
    again = support.client.post(path, data=form)
    assert first.headers["Location"] == again.headers["Location"]
    assert "Начислено: 10. Баланс стал 7." in support.follow(first).text
    assert balance(user.id) == 7
    (entry,) = entries("user.grant")
    assert (entry.who, entry.reason, entry.after) == (
        "the-support",
        "извинения",
        {"tokens": "10", "balance": "12"},
    )
    with transaction() as session:
        assert queue.claim(session, "w").job_id == waiting.id


@pytest.mark.parametrize(
    ("tokens", "why"), [("0", "reason"), ("-1", "x"), ("1e9", "x"), ("100.01", "x"), ("5", " ")]
)
def test_a_wrong_grant_changes_nothing(console: World, tokens: str, why: str) -> None:
    support = console.operator("support")
    user = make_user()
    path = f"/people/{user.id}/tokens/grant"
    assert support.get(path, tokens=tokens, reason=why).status_code == 422
    assert support.post(path, seen=path, tokens=tokens, reason=why).status_code == 422
    assert balance(user.id) == 0 and entries("user.grant") == []


def test_an_admin_takes_no_more_than_there_is(console: World) -> None:
    admin = console.operator("admin")
    user = make_user(5)
    path = f"/people/{user.id}/tokens/withdraw"
    assert "Не хватает 1 токенов" in admin.get(path, tokens="6", reason="x").text
    refused = admin.post(path, seen=path, tokens="6", reason="x")
    assert refused.status_code == 422 and balance(user.id) == 5
    assert "Списано: 5" in admin.follow(admin.post(path, seen=path, tokens="5", reason="x")).text
    assert balance(user.id) == 0
    assert entries("user.withdraw")[0].after == {"tokens": "-5", "balance": "0"}


def test_a_ban_has_a_reason_and_is_lifted(console: World) -> None:
    support = console.operator("support")
    user = make_user()
    path = f"/people/{user.id}"
    assert support.post(f"{path}/ban", seen=path, reason=" ").status_code == 422
    assert (
        "заблокирован"
        in support.follow(support.post(f"{path}/ban", seen=path, reason="чужие карты")).text
    )
    assert users_row(user.id).ban_reason == "чужие карты"
    support.follow(support.post(f"{path}/unban", seen=path, reason="ошиблись"))
    assert users_row(user.id).banned_at is None
    assert [e.reason for e in (*entries("user.ban"), *entries("user.unban"))] == [
        "чужие карты",
        "ошиблись",
    ]


def users_row(user_id):
    with transaction() as session:
        return users.get(session, user_id)


def test_a_long_history_is_turned_page_by_page_and_back(
    console: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages_of_people, "PAGE_ROWS", 2)
    who = make_user(100)
    for _ in range(4):
        make_job(who.id)
    support = console.operator("support")
    pages = [support.get(f"/people/{who.id}").text]
    while further := re.search(r'rel="next" href="([^"]+)"', pages[-1]):
        pages.append(support.get(unescape(further[1])).text)
    assert len(pages) > 3
    for before in reversed(pages[:-1]):
        back = re.search(r'rel="prev" href="([^"]+)"', pages.pop())
        assert back is not None
        assert _orders(support.get(unescape(back[1])).text) == _orders(before)


def _orders(page: str) -> list[str]:
    return re.findall(r"/orders/[0-9a-f-]{36}", page)


@pytest.mark.parametrize("edge", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_cursor_beyond_all_time_is_refused(console: World, edge: str) -> None:
    forged = urlsafe_b64encode(f"{edge} {uuid4()}".encode()).decode().rstrip("=")
    assert console.operator("support").get("/people/", cursor=forged).status_code == 400


def test_a_reason_may_be_pasted_from_a_text_with_no_break_spaces(console: World) -> None:
    who = make_user()
    page = f"/people/{who.id}"
    console.operator("support").post(f"{page}/ban", seen=page, reason="вернул\u00a0100\u00a0₽")
    assert entries("user.ban")[-1].reason == "вернул 100 ₽"
