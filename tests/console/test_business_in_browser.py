"""The overview and a draw as people see them: in light and dark, on a desk and on a phone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from sqlalchemy import update
from werkzeug.serving import make_server

from console import business_texts as words
from db import transaction
from db.models import Lottery
from db.types import now
from services import day_figures, days, lotteries
from services.lotteries import Prize
from tests.browser import CHROMIUM, MISSING, NARROW, WIDE, Window, chromium, window
from tests.console.browsing import World
from tests.factories import make_user
from tests.services.test_figures import a_busy_day, execute

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)
DRAWN = """canvas => {
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let drawn = 0;
    for (let place = 3; place < pixels.length; place += 4) drawn += pixels[place] > 0;
    return drawn;
}"""
PAGES = (
    *("/lotteries/", "/lotteries/add", "/tariffs/", "/tariffs/of/start", "/models/"),
    *("/models/of/animate-standard", "/engines/", "/engines/fal", "/outbox/", "/ledger/"),
)
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def address(console: World) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, console.app, threaded=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def cookie(console: World) -> str:
    """That of an administrator who has just given a code."""
    return console.operator("admin").client.get_cookie("console").value


def opened(window: Window, address: str, cookie: str, path: str) -> Page:
    window.page.context.add_cookies([{"name": "console", "value": cookie, "url": address}])
    window.page.goto(f"{address}{path}")
    return window.page


def kept(page: Page, name: str, folder: Path) -> None:
    """A picture for looking at."""
    page.screenshot(path=folder / f"{name}.png", full_page=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["1280", "360"])
def test_the_overview_is_drawn(browser, address, cookie, size, scheme, tmp_path):
    a_month()
    with window(browser, f"{address}/login", size) as seen:
        seen.page.emulate_media(color_scheme=scheme)
        page = opened(seen, address, cookie, "/")
        page.wait_for_selector(".chart canvas")
        drawn = page.eval_on_selector_all(".chart canvas", f"all => all.map({DRAWN})")
        assert len(drawn) == 2 and min(drawn) > 500
        assert "янв" in page.content() or page.locator(".u-legend").first.inner_text()
        assert page.evaluate(OVERFLOW) <= 0
        kept(page, f"overview-{size['width']}-{scheme}", tmp_path)
        assert seen.complaints == []


def a_month() -> None:
    """Figures of thirty days, once."""
    with transaction() as session:
        if day_figures.finished(session, since=days.of(now())):
            return
    a_busy_day()
    execute("UPDATE transactions SET created_at = created_at - interval '3 days' WHERE seq > 2")
    for day in days.last(days.of(now()), 5):
        with transaction() as session:
            day_figures.compute(session, day, now=now())
    execute(
        "INSERT INTO daily_figures (day, kind, dimension, n, rub, tokens)"
        " SELECT current_date - n, 'paid', provider, 3, 20000 + 9000 * sin(n) + 900 * n, 600"
        " FROM generate_series(5, 40) n, unnest(ARRAY['yookassa', 'telegram', 'stripe']) provider"
    )
    execute(
        "INSERT INTO cohort_figures (day, step, registered_on, people)"
        " SELECT current_date - n, step, current_date - n, people * (3 + n % 4)"
        " FROM generate_series(5, 40) n, (VALUES ('registered', 9), ('photo', 6), ('order', 4),"
        " ('payment', 2)) AS steps (step, people)"
    )
    execute(
        "INSERT INTO events (id, type, body, state) VALUES (gen_random_uuid(), 'x', '{}', 'dead')"
    )


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["1280", "360"])
def test_a_lottery_is_drawn_in_the_browser(browser, address, cookie, size, tmp_path):
    with transaction() as session:
        made = lotteries.create(
            session,
            title="Новогодний розыгрыш",
            description="За ссылки",
            start_date=now() - timedelta(minutes=size["width"]),
            end_date=now() + timedelta(minutes=1),
            prizes=[Prize("50 токенов", 1, Decimal(50))],
        )
        lottery_id = made.id
    with transaction() as session:
        lotteries.submit_social(session, make_user().id, ["https://vk.com/1"], now=now())
        session.execute(
            update(Lottery)
            .where(Lottery.id == lottery_id)
            .values(end_date=made.start_date + timedelta(minutes=1))
        )
    with window(browser, f"{address}/login", size) as seen:
        page = opened(seen, address, cookie, f"/lotteries/{lottery_id}")
        kept(page, f"lottery-{size['width']}", tmp_path)
        form = page.locator(f"form[action='/lotteries/{lottery_id}/draw']")
        form.get_by_label("Почему").fill("пора")
        form.get_by_role("button").click()
        page.wait_for_selector("#verified")
        assert words.LOTTERY_DRAWN in page.content()
        assert page.evaluate(OVERFLOW) <= 0
        kept(page, f"lottery-drawn-{size['width']}", tmp_path)
        for path in PAGES:
            page.goto(f"{address}{path}")
            assert page.evaluate(OVERFLOW) <= 0, path
            kept(page, f"{path.strip('/').replace('/', '-')}-{size['width']}", tmp_path)
        assert seen.complaints == []
