"""Forms: of our own pages only, once each, and what is refused changes nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from sqlalchemy import select

import settings
from console import texts
from db import transaction
from db.models import Review, User
from db.types import now
from services import form_keys, operators
from tests.console.browsing import Visitor, World, entries
from tests.factories import held_review, make_user
from tests.live import unchanged


def state_of(review_id: UUID) -> str:
    with transaction() as session:
        return session.scalars(select(Review.state).where(Review.id == review_id)).one()


@pytest.fixture
def support(console: World) -> Visitor:
    return console.operator("support")


def test_a_review_is_rejected_with_a_reason_and_the_next_one_comes(support: Visitor) -> None:
    review, other = held_review(), held_review()
    page = f"/reviews/{review}"
    with unchanged():
        empty = support.post(f"{page}/reject", seen=page, note="  ")
    assert (empty.status_code, texts.NEEDED in empty.text) == (422, True)
    done = support.follow(support.post(f"{page}/reject", seen=page, note="реклама"))
    assert texts.REVIEW_REJECTED in done.text and str(other) in done.text
    (entry,) = [e for e in entries("review.reject") if e.target == f"review:{review}"]
    assert (entry.who, entry.role, entry.reason) == ("the-support", "support", "реклама")
    assert entry.outcome == "done" and entry.request_id and entry.address == "127.0.0.1"
    assert "реклама" in support.get(page).text


def test_a_review_is_approved_for_a_person_or_refused_beside_the_field(support: Visitor) -> None:
    review = held_review()
    page = f"/reviews/{review}"
    with unchanged():
        nobody = support.post(f"{page}/approve", seen=page, user="404404")
    assert nobody.status_code == 422 and "Такого человека нет" in nobody.text
    assert 'value="404404"' in nobody.text
    make_user(telegram_id="700700")
    done = support.follow(support.post(f"{page}/approve", seen=page, user="700700"))
    assert texts.REVIEW_REWARDED in done.text
    with transaction() as session:
        balance = session.scalar(select(User.balance_tokens).where(User.telegram_id == "700700"))
    assert balance == settings.load().review_bonus_tokens
    other = f"/reviews/{held_review()}"
    with unchanged():
        again = support.post(f"{page}/reject", seen=other, note="поздно")
    assert again.status_code == 422


def test_a_form_acts_once_and_shows_its_first_result_again(support: Visitor) -> None:
    review = held_review()
    page = f"/reviews/{review}"
    form = support.hidden(page) | {"note": "спам"}
    first = support.client.post(f"{page}/reject", data=form)
    with unchanged():
        again = support.client.post(f"{page}/reject", data=form)
    assert first.headers["Location"] == again.headers["Location"]
    assert texts.REVIEW_REJECTED in support.follow(again).text


def test_what_broke_off_at_a_provider_is_not_begun_again(console: World) -> None:
    """The console died while it asked the provider: nobody knows what happened there."""
    visitor = console.operator("admin")
    with transaction() as session:
        operator = operators.by_name(session, "the-admin").id
        form_keys.claim(session, "key-of-what-broke-off", operator, now=now())
    assert texts.NOT_ENDED in visitor.get("/", done="key-of-what-broke-off").text
    page = f"/reviews/{held_review()}"
    again = visitor.post(f"{page}/reject", seen=page, form_key="key-of-what-broke-off", note="спам")
    assert texts.NOT_ENDED in visitor.follow(again).text
    assert state_of(UUID(page.rpartition("/")[2])) == "held"


@pytest.mark.parametrize("key", ["", "short", "k" * 65, "\0" * 20])
def test_a_form_without_a_key_of_ours_acts_and_says_so(support: Visitor, key: str) -> None:
    page = f"/reviews/{held_review()}"
    sent = support.post(f"{page}/reject", seen=page, form_key=key, note="спам")
    assert texts.REVIEW_REJECTED in support.follow(sent).text


def test_a_double_click_acts_once(console: World) -> None:
    review = held_review()
    page = f"/reviews/{review}"
    visitor = console.operator("support")
    form = visitor.hidden(page) | {"note": "спам"}
    cookie = visitor.client.get_cookie("console").value

    def click(_: int) -> int:
        other = console.guest()
        other.client.set_cookie("console", cookie)
        return other.client.post(f"{page}/reject", data=form).status_code

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(click, range(4))) == [303] * 4
    assert len([e for e in entries("review.reject") if e.target == f"review:{review}"]) == 1


def test_nobody_uses_the_form_of_another_operator(console: World, support: Visitor) -> None:
    review = held_review()
    page = f"/reviews/{review}"
    key = support.hidden(page)["form_key"]
    other = console.operator("admin")
    done = support.post(f"{page}/reject", seen=page, form_key=key, note="спам")
    assert done.status_code == 303
    theirs = other.post(
        f"/reviews/{held_review()}/reject", seen=f"/reviews/{held_review()}", form_key=key, note="x"
    )
    assert theirs.status_code == 422
    assert texts.REVIEW_REJECTED not in other.get("/", done=key).text


@pytest.mark.parametrize(
    "forged",
    [
        {"headers": {"Sec-Fetch-Site": "cross-site"}},
        {"headers": {"Sec-Fetch-Site": "same-site"}},
        {"headers": {"Origin": "https://evil.example"}},
        {"headers": {"Origin": "null"}},
        {"fields": {"form_token": ""}},
        {"fields": {"form_token": "0" * 64}},
        {"fields": {"form_token": "не тот"}},
    ],
)
def test_a_form_that_comes_from_elsewhere_is_refused(
    support: Visitor, forged: dict[str, dict[str, str]]
) -> None:
    review = held_review()
    page = f"/reviews/{review}"
    form = support.hidden(page) | {"note": "спам"} | forged.get("fields", {})
    with unchanged():
        answer = support.client.post(f"{page}/reject", data=form, headers=forged.get("headers", {}))
    assert (answer.status_code, texts.FOREIGN_FORM in answer.text) == (403, True)


def test_the_token_of_another_session_opens_nothing(console: World, support: Visitor) -> None:
    page = f"/reviews/{held_review()}"
    token = console.operator("admin").hidden("/")["form_token"]
    assert support.post(f"{page}/reject", form_token=token, note="x").status_code == 403


def test_a_script_of_ours_sends_the_token_in_a_header(support: Visitor) -> None:
    review = held_review()
    form = support.hidden(f"/reviews/{review}")
    token = form.pop("form_token")
    answer = support.client.post(
        f"/reviews/{review}/reject",
        data=form | {"note": "спам"},
        headers={
            "X-Form-Token": token,
            "Origin": "http://localhost",
            "Sec-Fetch-Site": "same-origin",
        },
    )
    assert answer.status_code == 303 and state_of(review) == "rejected"


def test_what_is_too_large_is_refused(support: Visitor) -> None:
    page = f"/reviews/{held_review()}"
    assert support.post(f"{page}/reject", seen=page, note="x" * 100_000).status_code == 413
