"""Operators, their sessions and what they did, as an admin sees and changes them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import update

import settings
from console import texts
from console.pages import audit as pages_of_audit
from db import transaction
from db.models import OperatorSession
from db.types import now
from services import operators
from services.audit import Entry
from tests.console.browsing import Visitor, World, acting, entries, join, new_code
from tests.live import unchanged
from tests.locks import wait_for_a_waiter
from workflows.actions import recorded


@pytest.fixture
def admin(console: World) -> Visitor:
    return console.operator("admin")


def test_an_operator_is_added_by_a_link_that_is_shown_once(console: World, admin: Visitor) -> None:
    form = admin.hidden("/operators/") | {"name": "Petr", "role": "support"}
    shown = admin.client.post("/operators/", data=form)
    assert shown.status_code == 200
    path = shown.text.partition("http://127.0.0.1:8001")[2].partition("<")[0]
    again = admin.follow(admin.client.post("/operators/", data=form))
    assert texts.LINK_SHOWN in again.text and path not in again.text
    petr = console.guest()
    petr.name = "petr"
    assert join(petr, path).status_code == 200
    assert petr.get("/reviews/").status_code == 200 and petr.get("/operators/").status_code == 403
    with unchanged():
        taken = admin.post("/operators/", seen="/operators/", name="petr", role="viewer")
    assert taken.status_code == 422 and "уже есть" in taken.text
    assert entries("operator.add")[-1].after == {"role": "support"}


def test_a_change_of_role_and_disabling_end_sessions(console: World, admin: Visitor) -> None:
    semyon = console.operator("support", "semyon")
    page = "/operators/semyon"
    assert admin.post(f"{page}/role", seen=page, role="viewer").status_code == 303
    entry = entries("operator.role")[-1]
    assert (entry.before, entry.after) == ({"role": "support"}, {"role": "viewer"})
    assert semyon.get("/").status_code == 303
    assert admin.post(f"{page}/disable", seen=page, reason="уволен").status_code == 303
    assert semyon.log_in().status_code == 422
    link = admin.post(f"{page}/reset", seen=page).text
    assert "/join/" in link


def test_the_last_admin_cannot_shut_themselves_out(console: World, admin: Visitor) -> None:
    page = "/operators/the-admin"
    with unchanged():
        gone = admin.post(f"{page}/disable", seen=page, reason="ошибка")
        lowered = admin.post(f"{page}/role", seen=page, role="viewer")
    assert (gone.status_code, lowered.status_code) == (422, 422)
    assert "последний администратор" in gone.text


def test_access_asks_for_a_code_that_was_just_given(console: World, admin: Visitor) -> None:
    with transaction() as session:
        late = now() - timedelta(minutes=11)
        session.execute(update(OperatorSession).values(confirmed_at=late))
    form = admin.hidden("/operators/") | {"name": "nikita", "role": "viewer"}
    with unchanged():
        asked = admin.client.post("/operators/", data=form)
    assert asked.status_code == 422 and 'name="form_key" value="' + form["form_key"] in asked.text
    with unchanged():
        wrong = admin.client.post("/operators/", data=form | {"code": "000000"})
    assert wrong.status_code == 422 and texts.WRONG_LOGIN in wrong.text
    right = admin.client.post("/operators/", data=form | {"code": new_code("the-admin")})
    assert right.status_code == 200 and "/join/" in right.text
    # For ten minutes no code is asked for.
    assert admin.post("/operators/nikita/reset", seen="/operators/nikita").status_code == 200


def test_sessions_are_seen_and_ended_one_s_own_by_everybody(console: World, admin: Visitor) -> None:
    viewer, elsewhere = console.operator("viewer"), console.operator("viewer")
    ends = [
        part.partition('"')[0]
        for part in viewer.get("/sessions/").text.split('action="/sessions/')[1:]
    ]
    assert len(ends) >= 2
    foreign = admin.get("/sessions/").text.partition('action="/sessions/')[2].partition('"')[0]
    tried = viewer.follow(viewer.post(f"/sessions/{foreign}", seen="/sessions/"))
    assert texts.SESSION_WAS_OVER in tried.text and admin.get("/").status_code == 200
    for end in ends:
        viewer.post(f"/sessions/{end}", seen="/sessions/")
        if viewer.get("/").status_code == 303:
            break
    assert {viewer.get("/").status_code, elsewhere.get("/").status_code} >= {303}


def test_new_recovery_codes_take_the_place_of_all_before(console: World) -> None:
    visitor = console.operator("viewer", "yana")
    page = visitor.post("/sessions/codes", seen="/sessions/")
    codes = [each.partition("</li>")[0] for each in page.text.split("<li>")[1:]]
    assert len(codes) == 10 and visitor.log_in(code=codes[3]).status_code == 303
    assert "Осталось: 9" in visitor.get("/sessions/").text
    visitor.post("/sessions/codes", seen="/sessions/")
    assert visitor.log_in(code=codes[4]).status_code == 422
    assert entries("operator.codes")[-1].who == "yana"


def test_the_audit_is_turned_page_by_page_and_back_and_filtered(
    admin: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages_of_audit, "PAGE_ROWS", 5)
    with acting("zoya"):
        for number in range(12):
            with recorded(Entry("job.retry", f"job:{number}")):
                pass
    first = admin.get("/audit/?who=zoya&action=job.retry")
    assert first.text.count("<time") == 5 and "5+" in first.text

    def turn(page: str, rel: str) -> str:
        address = page.partition(f'<a rel="{rel}" href="')[2].partition('"')[0]
        return admin.get(address.replace("&amp;", "&")).text

    second = turn(first.text, "next")
    third = turn(second, "next")
    assert "job:11" in first.text and "job:6<" in second and "job:0<" in third
    assert 'rel="next"' not in third
    assert "job:6<" in turn(third, "prev") and "job:11" in turn(turn(third, "prev"), "prev")
    assert "job:7<" in admin.get("/audit/?target=job:7&since=2020-01-01&until=2999-01-01").text
    for bad in ("cursor=x", "since=yesterday", "since=0001-01-01", "action=theft", "who=%00"):
        assert admin.get(f"/audit/?{bad}").status_code == 400


def test_settings_are_shown_without_secrets(admin: Visitor) -> None:
    page = admin.get("/settings/").text
    assert "SERVER_API_KEY" in page and "(set)" in page
    assert not any(key in page for key in settings.load().server_api_key)


def test_of_two_admins_who_shut_each_other_out_at_once_one_stays(console: World) -> None:
    for name in ("the-admin", "olga"):
        console.operator("admin", name)
    with transaction() as session:
        able = [each for each in operators.every(session) if each.role == "admin"]
    assert {each.name for each in able} == {"the-admin", "olga"}

    def second() -> None:
        with transaction() as session:
            operators.change_role(session, "olga", "viewer")

    with ThreadPoolExecutor(1) as other:
        with transaction() as session:
            operators.require_another_admin(session, operators.by_name(session, "the-admin").id)
            operators.disable(session, "the-admin", now=now())
            waiting = other.submit(second)
            wait_for_a_waiter()
        with pytest.raises(ValueError, match="nobody else could administer"):
            waiting.result()
    assert console.operator("admin", "olga").get("/operators/").status_code == 200
