"""What operators see and do of the business, in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import product
from uuid import UUID

import pytest
from sqlalchemy import update

from console import business_texts as words
from db import transaction
from db.models import Lottery
from db.types import now
from services import checks, day_figures, days, lotteries
from services.lotteries import Prize
from tests.browser import CHROMIUM, MISSING, NARROW, WIDE
from tests.busy_days import a_busy_day, execute
from tests.console.browsing import acting
from tests.console.desk import Desk, Theme, furnished
from tests.factories import make_user

pytestmark = pytest.mark.skipif(not CHROMIUM, reason=MISSING)
DRAWN = """all => all.map(canvas => {
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let drawn = 0;
    for (let place = 3; place < pixels.length; place += 4) drawn += pixels[place] > 0;
    return drawn;
})"""


@pytest.fixture(scope="module")
def desk(database: str) -> Iterator[Desk]:
    """An admin at the console of a shop that has been open for two months."""
    with acting():
        _two_months()
    with furnished() as opened:
        yield opened


def _two_months() -> None:
    a_busy_day()
    with transaction() as session:
        day_figures.compute(session, days.of(now()), now=now())
        proof = checks.Proof(12, {"balance is the sum of the moves": ["a user"]})
        checks.record(session, checks.LEDGER, proof, seconds=3.2)
    execute(
        "INSERT INTO daily_figures (day, kind, dimension, n, rub, tokens)"
        " SELECT current_date - n, 'paid', provider, 3,"
        " 90000 + 30000 * sin(n + step) - 900 * n, 600"
        " FROM generate_series(1, 60) n,"
        " (VALUES ('yookassa', 0), ('telegram', 2), ('stripe', 4)) AS all_of (provider, step)"
    )
    execute(
        "INSERT INTO cohort_figures (day, step, registered_on, people)"
        " SELECT current_date - n, step, current_date - n, people * (3 + n % 4)"
        " FROM generate_series(1, 60) n, (VALUES ('registered', 9), ('photo', 6), ('order', 4),"
        " ('payment', 2)) AS steps (step, people)"
    )
    execute(
        "INSERT INTO events (id, type, body, state, last_status) VALUES"
        " (gen_random_uuid(), 'job.done', '{\"text\": \"Готово\"}', 'dead', 502)"
    )


def test_the_overview_is_drawn_and_its_numbers_lead_to_their_lists(desk: Desk) -> None:
    desk.open("/")
    desk.page.wait_for_selector(".chart canvas")
    desk.look("overview")
    themes: tuple[Theme, ...] = ("light", "dark")
    for theme, size in product(themes, (NARROW, WIDE)):
        desk.page.emulate_media(color_scheme=theme)
        desk.page.set_viewport_size(size)
        drawn = desk.page.eval_on_selector_all(".chart canvas", DRAWN)
        assert len(drawn) == 2 and min(drawn) > 1000, (theme, size)
    desk.page.get_by_text("Числами").first.click()
    desk.says("ЮKassa")
    desk.page.locator("[data-signal=dead_events] a").click()
    desk.look("outbox-dead")
    desk.page.get_by_role("link", name="job.done").click()
    desk.look("outgoing-event")
    desk.send("Послать", reason="бот починен")
    desk.says(words.EVENT_REPLAYED)
    desk.open("/")
    desk.page.locator("[data-signal=ledger_check] a").click()
    desk.look("ledger")
    desk.page.get_by_role("button", name="Проверить сейчас").first.click()
    desk.says(words.CHECK_ASKED)


def _ended() -> UUID:
    """A lottery with one entry whose time is over."""
    with transaction() as session:
        made = lotteries.create(
            session,
            title="Новогодний розыгрыш",
            description="За ссылки на бота",
            start_date=now() - timedelta(hours=2),
            end_date=now() + timedelta(hours=2),
            prizes=[Prize("50 токенов", 1, Decimal(50))],
        )
    for _ in range(2):
        with transaction() as session:
            lotteries.submit_social(session, make_user().id, ["https://vk.com/1"], now=now())
    with transaction() as session:
        session.execute(update(Lottery).values(end_date=now() - timedelta(seconds=1)))
    return made.id


def test_a_lottery_is_drawn_proved_and_drawn_again(desk: Desk) -> None:
    lottery = _ended()
    desk.open("/lotteries/")
    desk.look("lotteries")
    desk.open(f"/lotteries/{lottery}")
    desk.look("lottery-ended")
    desk.send("Провести", draw_reason="пора")
    desk.says(words.LOTTERY_DRAWN)
    desk.send("Разыграть заново", place="1", redraw_reason="победитель — бот")
    desk.says(words.lottery_redrawn(1, 2))
    desk.says("зерно, участники и победители сходятся")
    desk.look("lottery-drawn")
    desk.page.get_by_role("link", name="Участники").click()
    desk.look("lottery-entries")


def test_prices_and_engines_are_looked_at(desk: Desk) -> None:
    for name, path in (
        ("lottery-new", "/lotteries/add"),
        ("tariffs", "/tariffs/"),
        ("tariff-new", "/tariffs/add"),
        ("tariff", "/tariffs/of/start"),
        ("models", "/models/"),
        ("model", "/models/of/kling-2.5-replicate"),
        ("engines", "/engines/"),
        ("engine", "/engines/fal"),
        ("support", "/support/"),
    ):
        desk.open(path)
        assert not desk.page.title().startswith("404")
        desk.look(name)
    desk.open("/tariffs/of/start")
    desk.send("Сохранить", rub="0", reason="ошибка")
    desk.says("Больше 0")
    desk.look("tariff-refused")
