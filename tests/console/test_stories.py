"""What operators do, in Chromium: each page is looked at in light and dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import expect
from sqlalchemy import update

from console import texts
from db import transaction
from db.models import OperatorSession
from db.types import now
from services.audit import Entry
from tests.browser import CHROMIUM, MISSING, NARROW
from tests.console.browsing import acting, invite, new_code
from tests.console.desk import Desk, furnished
from tests.factories import held_review, make_user
from tests.people_world import person, traces
from workflows.actions import recorded

pytestmark = pytest.mark.skipif(not CHROMIUM, reason=MISSING)


@pytest.fixture(scope="module")
def desk(database: str) -> Iterator[Desk]:
    """An admin at the console, with something in each list."""
    for _ in range(3):
        held_review()
    make_user(telegram_id="700700")
    with acting("root"):
        for number in range(60):
            with recorded(Entry("job.retry", f"job:{number}", reason="застрял")):
                pass
    with furnished() as opened:
        yield opened


def test_an_operator_comes_in_by_name_password_and_code(desk: Desk) -> None:
    desk.look("home")
    desk.open("/sessions/")
    desk.page.set_viewport_size(NARROW)
    desk.page.get_by_text("Меню", exact=True).click()
    desk.says(texts.PAGE_AUDIT)
    desk.look("menu")
    desk.page.get_by_role("button", name="Выйти").click()
    desk.look("login")
    desk.log_in()
    expect(desk.page).to_have_url(f"{desk.url}/")


def test_the_queue_of_reviews_is_judged(desk: Desk) -> None:
    desk.open("/reviews/")
    desk.look("reviews")
    desk.page.evaluate("window.stays = true")
    desk.page.get_by_label("Состояние").select_option("held")
    desk.page.wait_for_url("**/reviews/?state=held")
    assert desk.page.evaluate("window.stays")  # only the list came anew
    desk.page.get_by_role("link", name="Разобрать очередь").click()
    desk.look("review")
    desk.send("Отклонить", note="реклама")
    desk.says(texts.REVIEW_REJECTED)
    desk.send("Засчитать", user="700700")
    desk.says(texts.REVIEW_REWARDED)


def test_a_refusal_is_said_beside_its_field(desk: Desk) -> None:
    held_review()
    desk.open("/reviews/next")
    desk.send("Засчитать", user="404404")
    desk.says("Такого человека нет")
    desk.look("review-refused")


def test_the_audit_is_leafed_through(desk: Desk) -> None:
    desk.open("/audit/")
    desk.look("audit")
    desk.page.get_by_role("link", name="Дальше").click()
    desk.says("← Назад")
    desk.page.get_by_role("link", name="← Назад").click()
    desk.page.get_by_text("ещё").first.click()
    desk.says("Запрос")


def test_operators_and_sessions_are_seen_and_changed(desk: Desk) -> None:
    desk.open("/operators/")
    desk.look("operators")
    desk.send("Завести", name="boris")
    desk.says("/join/")
    desk.look("operator-link")
    desk.open("/operators/boris")
    desk.look("operator")
    desk.open("/sessions/")
    desk.look("sessions")


def test_a_code_is_asked_for_again_and_nothing_that_was_typed_is_lost(desk: Desk) -> None:
    desk.open("/operators/")
    with transaction() as session:
        session.execute(update(OperatorSession).values(confirmed_at=now() - timedelta(hours=1)))
    desk.send("Завести", name="galina")
    desk.says("Нужен код")
    desk.look("confirm")
    desk.send("Продолжить", code=new_code("anna"))
    desk.says("Ссылка для galina")


def test_the_pages_for_guests_and_of_errors_are_whole(desk: Desk) -> None:
    desk.open("/settings/")
    desk.look("settings")
    desk.open(invite("vera", "viewer"))
    desk.look("join")
    desk.page.get_by_label("Новый пароль").fill("short but twice")
    desk.open("/no/such/page")
    desk.look("missing")


def test_a_person_is_handed_out_and_erased(desk: Desk) -> None:
    who = person(live=False)
    desk.open(f"/people/{who.user.id}")
    desk.page.get_by_role("link", name="Выгрузить данные").click()
    desk.look("export")
    with desk.page.expect_download() as download:
        desk.send("Скачать ZIP")
    assert download.value.suggested_filename == f"person-{who.user.id}.zip"
    desk.open(f"/people/{who.user.id}/erase")
    desk.look("erase")
    desk.send("Удалить навсегда", reason="/delete_me")
    desk.says("Данные человека удалены")
    assert traces(who.words) == {}
