"""Debian's Chromium, headless, for pages that people use; whatever it complains about is kept."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
MISSING = "there is no Chromium here: apt-get install chromium"
# As root it has no sandbox of its own; and it must not look for updates, nor for anything else.
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
PATIENCE_MS = 180_000  # an engine on a busy machine takes a minute
WIDE, NARROW = ViewportSize(width=1280, height=800), ViewportSize(width=360, height=740)


@dataclass
class Window:
    """A page, and what the browser complained about: errors, and violations of its policy."""

    page: Page
    complaints: list[str] = field(default_factory=list)


@contextmanager
def chromium() -> Iterator[Browser]:
    """One browser for all windows of a module."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def window(browser: Browser, url: str, size: ViewportSize = WIDE) -> Iterator[Window]:
    """A window of its own, without anything remembered, with a page opened in it."""
    context = browser.new_context(viewport=size, locale="ru-RU", color_scheme="dark")
    context.set_default_timeout(PATIENCE_MS)
    opened = Window(context.new_page())
    opened.page.on(
        "console",
        lambda message: opened.complaints.append(message.text) if message.type == "error" else None,
    )
    opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.page.goto(url)
    try:
        yield opened
    finally:
        context.close()
