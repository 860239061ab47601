"""The chat page of the sandbox in Chromium, with a small bot at the other end."""

from __future__ import annotations

import itertools
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from local.sandbox import Options
from tests.bot_world import World as Everything
from tests.bot_world import bot_world
from tests.browser import CHROMIUM, MISSING, NARROW, Window, chromium, window
from tests.chat_bot import living
from tests.chat_page import drop, last, log, plays, start
from tests.telegram_world import World, telegram_world

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason=MISSING),
    pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning"),
]

BORIS, CHANNEL, GROUP = 501, -1001, -1002
_ids = itertools.count(1001)
SAMPLES = Path(__file__).parents[2] / "local/samples"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A second of H.264."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    source = ("-f", "lavfi", "-i", "testsrc=duration=1:size=320x240:rate=10")
    encoded = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-movflags", "+faststart")
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    subprocess.run([ffmpeg, "-loglevel", "error", *source, *encoded, path], check=True)
    return path.read_bytes()


@pytest.fixture(scope="module")
def world(clip: bytes) -> Iterator[World]:
    """People, a channel and a group, and the small bot polling among them."""
    with telegram_world() as opened:
        opened.control("PUT", f"/users/{BORIS}", first_name="Борис")
        opened.control("PUT", f"/chats/{CHANNEL}", type="channel", username="live_news")
        opened.control(
            "PUT", f"/chats/{GROUP}", type="supergroup", username="live_talk", title="Отзывы"
        )
        with living(opened, clip):
            yield opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def anna(world: World) -> int:
    """Somebody whom the bot does not know yet, for each test another."""
    person = next(_ids)
    world.control("PUT", f"/users/{person}", first_name="Анна", language_code="ru")
    return person


@pytest.fixture
def opened(browser: Browser, world: World, anna: int) -> Iterator[Window]:
    """The page as Anna; nothing may have been complained about when the test ends."""
    with window(browser, f"{world.url}/chat#{anna}") as found:
        yield found
        assert found.complaints == []


@pytest.fixture
def page(opened: Window) -> Page:
    return opened.page


def test_from_photo_to_playing_video(page: Page) -> None:
    start(page)
    drop(page, SAMPLES / "tiny_portrait_150px.jpg", "photo")
    expect(log(page).get_by_role("button", name="Открыть фото").last).to_be_visible()
    expect(log(page).get_by_text("Что сделать?")).to_be_visible()
    last(page, "Оживить").click()
    expect(log(page).get_by_text("Оживляю… 80 %")).to_be_visible()
    expect(log(page).get_by_text("изменено")).to_be_visible()
    expect(log(page).get_by_text("Готово")).to_be_visible()
    video = log(page).locator("video").last
    assert plays(video)
    assert video.evaluate("v => [v.loop, v.muted, v.videoWidth]") == [True, True, 320]


def test_a_sample_goes_as_a_file(page: Page) -> None:
    start(page)
    page.get_by_role("button", name="Отправить фото или файл").click()
    page.get_by_role("button", name="Портрет", exact=True).click()
    page.get_by_label("Подпись").fill("Прабабушка")
    page.get_by_role("button", name="Файлом, без сжатия").click()
    expect(log(page).get_by_role("link", name="portrait.jpg")).to_be_visible()
    expect(log(page).get_by_text("Прабабушка")).to_be_visible()


def test_answers_of_the_bot_are_toasts_and_alerts(page: Page) -> None:
    start(page)
    last(page, "Подсказка").click()
    expect(page.get_by_role("status").filter(has_text="Пришлите фото")).to_be_visible()
    last(page, "Баланс").click()
    expect(page.get_by_role("dialog")).to_contain_text("На балансе 10 токенов")
    page.get_by_role("button", name="Хорошо").click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_stars_are_paid_or_run_short(page: Page) -> None:
    start(page)
    last(page, "150 звёзд").click()
    page.get_by_role("button", name="Звёзд не хватило").click()
    expect(page.get_by_role("dialog")).to_contain_text("на счёте не хватило звёзд")
    page.get_by_role("button", name="Заплатить 150 звёзд").click()
    expect(page.get_by_role("dialog")).to_contain_text("Оплачено")
    page.get_by_role("dialog").get_by_role("button", name="Закрыть").click()
    expect(log(page).get_by_text("Вы оплатили 150 звёзд")).to_be_visible()
    expect(log(page).get_by_text("На балансе 30 токенов")).to_be_visible()


@pytest.mark.parametrize(
    ("button", "text", "status"),
    [("Оплатить", "Оплачено", "succeeded"), ("Отклонить", "Платёж отменён", "canceled")],
)
def test_a_card_pays_or_is_declined_and_the_notification_can_be_lost(
    page: Page, world: World, button: str, text: str, status: str
) -> None:
    start(page)
    last(page, "Картой").click()
    shop = page.frame_locator("iframe")
    shop.get_by_label("Потерять уведомление магазину").check()
    shop.get_by_role("button", name=button).click()
    expect(shop.get_by_role("status")).to_have_text(text)
    payment = page.locator("iframe").get_attribute("src").rpartition("/")[2]
    shop.get_by_role("link", name="Вернуться в магазин").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    keys = Options()
    found = requests.get(
        f"{world.url}/yookassa/v3/payments/{payment}",
        auth=(keys.yookassa_shop_id, keys.yookassa_secret_key),
        timeout=20,
    )
    assert found.json()["status"] == status


def test_a_friend_follows_an_invitation_side_by_side(page: Page) -> None:
    start(page)
    page.get_by_role("button", name="Показать ещё одного человека рядом").click()
    expect(page.locator(".column")).to_have_count(2)
    last(page, "Пригласить").click()
    page.get_by_role("dialog").get_by_role("button", name="Борис").click()
    friend = page.get_by_role("region", name="Борис")
    friend.get_by_role("button", name="Начать", exact=True).click()
    expect(friend.get_by_text("Привет от FRIEND01")).to_be_visible()


def test_channels_are_joined_and_groups_are_written_in(page: Page, world: World, anna: int) -> None:
    start(page)
    last(page, "Канал").click()
    page.get_by_role("button", name="Подписаться").click()
    expect(page.get_by_role("button", name="Отписаться")).to_be_visible()
    member = world.call_bot("getChatMember", chat_id=CHANNEL, user_id=anna)
    assert member["status"] == "member"
    page.get_by_role("button", name="Отзывы").click()
    page.get_by_role("button", name="Вступить в группу").click()
    page.get_by_label("Сообщение", exact=True).fill("Бабушка улыбается")
    page.get_by_role("button", name="Отправить", exact=True).click()
    expect(log(page).get_by_text("Бабушка улыбается")).to_be_visible()


def test_what_the_bot_pins_and_how_it_reacts_is_seen(page: Page, world: World, anna: int) -> None:
    start(page)
    written = world.call_bot("sendMessage", chat_id=anna, text="Акция до пятницы")["message_id"]
    world.call_bot("pinChatMessage", chat_id=anna, message_id=written)
    expect(log(page).get_by_text("Бот закрепил: Акция до пятницы")).to_be_visible()
    heart = [{"type": "emoji", "emoji": "🎉"}]
    world.call_bot("setMessageReaction", chat_id=anna, message_id=written, reaction=heart)
    expect(page.get_by_role("status").filter(has_text="Бот: 🎉")).to_be_visible()


def test_a_blocked_bot_may_come_back(page: Page) -> None:
    start(page)
    page.get_by_role("button", name="Заблокировать бота").click()
    again = page.get_by_role("button", name="Разблокировать", exact=True)
    expect(again).to_be_visible()
    again.click()
    expect(page.get_by_label("Сообщение", exact=True)).to_be_visible()


def test_a_narrow_window_shows_everything_without_scrolling_sideways(
    browser: Browser, world: World, anna: int
) -> None:
    with window(browser, f"{world.url}/chat#{anna}", NARROW) as found:
        page = found.page
        start(page)
        page.get_by_role("button", name="Список людей").click()
        page.get_by_role("button", name=re.compile("Новый человек")).click()
        expect(page.get_by_role("button", name="Начать", exact=True)).to_be_visible()
        overflow = "document.documentElement.scrollWidth > innerWidth"
        assert page.evaluate(overflow) is False
        assert found.complaints == []


def test_the_page_says_when_no_bot_runs_and_when_one_comes(browser: Browser) -> None:
    missing = "Бот не запущен"
    with telegram_world() as alone, window(browser, f"{alone.url}/chat") as found:
        page = found.page
        page.get_by_role("button", name="Начать", exact=True).click()
        expect(log(page).get_by_text("/start")).to_be_visible()
        expect(page.get_by_text(missing)).to_be_visible()
        alone.call_bot("getUpdates")
        expect(page.get_by_text(missing)).to_be_hidden()
        assert found.complaints == []


@pytest.fixture(scope="module")
def everything() -> Iterator[Everything]:
    """The real bot, server and worker, as `make run` starts them."""
    with bot_world("chat") as started:
        yield started


@pytest.fixture
def real(browser: Browser, everything: Everything) -> Iterator[Page]:
    """The chat page of somebody who has agreed to everything."""
    person = everything.person(first_name="Анна")
    person.start()
    with window(browser, f"{everything.stack.simulated.chat_url}#{person.id}") as found:
        yield found.page
        assert found.complaints == []


def test_with_the_real_bot_a_photo_is_paid_for_and_plays(real: Page) -> None:
    drop(real, SAMPLES / "tiny_portrait_150px.jpg", "photo")
    last(real, "✨ Оживление · 10 токенов").click()
    expect(log(real)).to_contain_text("Не хватает: 10 токенов")
    choose_card(real)
    shop = real.frame_locator("iframe")
    shop.get_by_role("button", name="Оплатить").click()
    expect(shop.get_by_role("status")).to_have_text("Оплачено")
    shop.get_by_role("link", name="Вернуться в магазин").click()
    expect(log(real)).to_contain_text("Оплата получена")
    video = log(real).locator("video")
    expect(video).to_be_visible()
    assert plays(video)
    assert video.evaluate("v => v.loop && v.muted && v.videoWidth > 0")
    expect(log(real)).to_contain_text("готов ✅")


def test_with_the_real_bot_a_decline_is_told_and_a_lost_notification_found(real: Page) -> None:
    real.get_by_label("Сообщение", exact=True).fill("/buy")
    real.get_by_role("button", name="Отправить", exact=True).click()
    choose_card(real)
    shop = real.frame_locator("iframe")
    shop.get_by_role("button", name="Отклонить").click()
    shop.get_by_role("link", name="Вернуться в магазин").click()
    expect(log(real)).to_contain_text("Банк отклонил платёж")
    real.get_by_label("Сообщение", exact=True).fill("/buy")
    real.get_by_role("button", name="Отправить", exact=True).click()
    choose_card(real)
    shop.get_by_label("Потерять уведомление магазину").check()
    shop.get_by_role("button", name="Оплатить").click()
    shop.get_by_role("link", name="Вернуться в магазин").click()
    last(real, "Я оплатил").click()
    expect(log(real)).to_contain_text("Оплата получена")


def choose_card(page: Page) -> None:
    """The smallest tariff, by card; the page of the shop is open then."""
    last(page, "199 ₽").click()
    last(page, "Карта или СБП").click()
    last(page, "Оплатить 199").click()


def test_the_page_lets_nothing_run_but_its_own_scripts(world: World) -> None:
    answer = requests.get(f"{world.url}/chat", timeout=20)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?! type=\"module\" src)|\son\w+=|style=", answer.text)


def test_what_people_send_is_never_opened_as_a_page(world: World, anna: int) -> None:
    sent: Any = requests.post(
        f"{world.url}/control/telegram/users/{anna}/say",
        files={"file": ("a.html", b"<script>alert(1)</script>", "text/html")},
        data={"kind": "document"},
        timeout=20,
    ).json()
    file_id = sent[0]["document"]["file_id"]
    answer = requests.get(f"{world.url}/chat/files/{file_id}", timeout=20)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")
