"""An operator's desk: Chromium at the console, which complains about whatever is not as it should.

A story opens pages and works with them as an operator does, and looks at each with `look`, which
finds errors, violations of the content policy, requests to elsewhere, what axe-core finds, and what
is wider than the screen, in light and dark, wide and narrow; and leaves pictures in var/pictures:

    def test_a_story(desk: Desk) -> None:
        desk.open("/reviews/")
        desk.look("reviews")
        desk.page.get_by_role("link", name="открыть").first.click()
        desk.send("Отклонить", note="реклама")
        desk.says("Отзыв отклонён")

Stories of one module share one browser and one world: the console runs in this process, on the
database of the module.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, Page, Request, Response, ViewportSize, expect
from werkzeug.serving import make_server

import settings
from console.app import create_app
from tests.browser import NARROW, WIDE, chromium, window
from tests.console.browsing import PASSWORD, invite, new_code
from tests.house.code import ROOT

PICTURES = ROOT / "var/pictures/console"
AXE = Path(__file__).parent / "vendor/axe.min.js"
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
# In the second theme only the colours are others.
COLOURS = ("color-contrast",)
Theme = Literal["light", "dark"]
_VIEWS: tuple[tuple[Theme, ViewportSize, tuple[str, ...]], ...] = (
    ("light", WIDE, RULES),
    ("dark", NARROW, COLOURS),
)
# Chromium's words for an answer of 4xx and 5xx.
_REFUSED = "Failed to load resource: the server responded with a status of"
# Charts follow a new size when the browser has laid out the page: the second frame shows it.
_WIDER = """async () => {
    const frame = () => new Promise(requestAnimationFrame);
    await frame();
    await frame();
    const wide = document.documentElement.clientWidth;
    const scrolls = (each) => each.closest('.table-responsive');
    return [...document.body.querySelectorAll('*')]
        .filter((each) => each.getBoundingClientRect().right > wide + 1 && !scrolls(each))
        .map((each) => each.outerHTML.slice(0, 120));
}"""
_FINDINGS = """async (only) => (await axe.run(
    {runOnly: only, resultTypes: ['violations']})).violations.map(
    (each) => `${each.id}: ${each.nodes.map((node) => node.html).join(' | ').slice(0, 300)}`)"""


@dataclass
class Desk:
    """A window of one operator. `complaints` must stay empty: look() and the fixture see to it.

    files: where customers' files come from, see serve_files().
    """

    page: Page
    url: str
    complaints: list[str]
    name: str = ""
    strangers: list[str] = field(default_factory=list)
    files: str = "data:"

    def come_in(self, name: str, role: str) -> None:
        """The first login of a new operator, through their link."""
        self.name = name
        self.open(invite(name, role))
        self.page.get_by_label("Новый пароль").fill(PASSWORD)
        self.page.get_by_label("Ещё раз").fill(PASSWORD)
        self.page.get_by_label("Код из приложения").fill(new_code(name))
        self.page.get_by_role("button", name="Войти").click()
        self.page.get_by_role("link", name="Записал").click()

    def log_in(self) -> None:
        """Any later login."""
        self.open("/login")
        self.page.get_by_label("Имя").fill(self.name)
        self.page.get_by_label("Пароль").fill(PASSWORD)
        self.page.get_by_label("Код из приложения").fill(new_code(self.name))
        self.page.get_by_role("button", name="Войти").click()

    def open(self, path: str) -> None:
        """Type an address."""
        self.page.goto(f"{self.url}{path}")

    def serve_files(self, picture: Path) -> None:
        """Let this picture be every customer's file, as no server is there to send them."""
        self.files = settings.load().server_url
        self.page.route(f"{self.files}/**", lambda route: route.fulfill(path=picture))

    def send(self, button: str, **fields: str) -> None:
        """Fill in the form that has this button, and press it."""
        form = self.page.locator("form", has=self.page.get_by_role("button", name=button))
        for name, value in fields.items():
            form.locator(f"[name={name}]").fill(value)
        form.get_by_role("button", name=button).click()

    def says(self, text: str) -> None:
        """Wait until the page says so."""
        expect(self.page.get_by_text(text).first).to_be_visible()

    def look(self, name: str) -> None:
        """The page as it is now, in both themes and sizes; its pictures have this name."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        found = []
        for theme, size, rules in _VIEWS:
            self.page.set_viewport_size(size)
            self.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            expect(self.page.locator("html")).to_have_attribute("data-bs-theme", theme)
            found += [f"{theme}: {each}" for each in self.findings(rules)]
            for again in (size, NARROW if size is WIDE else WIDE):
                self.page.set_viewport_size(again)
                wider = self.page.evaluate(_WIDER)
                found += [f"wider than {again['width']}: {each}" for each in wider[:3]]
            self.page.set_viewport_size(size)
            picture = PICTURES / f"{name}-{theme}-{size['width']}.png"
            self.page.screenshot(path=picture, full_page=True)
        self.page.set_viewport_size(WIDE)
        troubles = found + self.troubles()
        assert troubles == [], f"{name}: {troubles}"

    def troubles(self) -> list[str]:
        """What went wrong so far. That a page itself is refused may be the story."""
        said = [each for each in self.complaints if not each.startswith(_REFUSED)]
        return said + self.strangers

    def findings(self, rules: tuple[str, ...]) -> list[str]:
        """What axe-core finds on the page."""
        self.page.evaluate(_axe())
        found: list[str] = self.page.evaluate(_FINDINGS, list(rules))
        return found

    def watch(self, request: Request) -> None:
        """Remember a request that leaves the console."""
        if not request.url.startswith((self.url, self.files, "data:", "about:")):
            self.strangers.append(f"elsewhere: {request.url}")

    def weigh(self, answer: Response) -> None:
        """Remember a failure of ours, and a file that is not there."""
        if answer.status >= (500 if answer.request.is_navigation_request() else 400):
            self.strangers.append(f"{answer.status} {answer.url}")


@contextmanager
def open_desk(browser: Browser, url: str) -> Iterator[Desk]:
    """A window without anything remembered; what it complained about fails the test."""
    with window(browser, "about:blank") as opened:
        desk = Desk(opened.page, url, opened.complaints)
        opened.page.on("request", desk.watch)
        opened.page.on("response", desk.weigh)
        yield desk
        assert desk.troubles() == []


@contextmanager
def served() -> Iterator[str]:
    """The console on a port of its own, in this process; its URL."""
    server = make_server("127.0.0.1", 0, create_app(), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def furnished(role: str = "admin") -> Iterator[Desk]:
    """Everything for the stories of a module: browser, console, and an operator who has come in."""
    with served() as url, chromium() as browser, open_desk(browser, url) as desk:
        desk.come_in("anna", role)
        yield desk


@cache
def _axe() -> Any:
    return AXE.read_text("utf-8")
