"""What a person does on the sandbox's chat page, for its tests."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, Page, expect


def log(page: Page, number: int = 0) -> Locator:
    return page.get_by_role("log").nth(number)


def start(page: Page) -> None:
    """Write to the bot for the first time."""
    page.get_by_role("button", name="Начать", exact=True).click()
    expect(log(page).get_by_text("Привет от никого")).to_be_visible()


def last(page: Page, name: str) -> Locator:
    """The newest button or link of the bot with this label."""
    found = log(page)
    return found.get_by_role("button", name=name).or_(found.get_by_role("link", name=name)).last


def drop(page: Page, path: Path, kind: str) -> None:
    """Let a file fall from the desktop on one half of the chat."""
    script = """([column, bytes, name, type, kind]) => {
        const data = new DataTransfer();
        data.items.add(new File([Uint8Array.from(bytes)], name, {type}));
        const event = (what) => new DragEvent(what, {dataTransfer: data, bubbles: true});
        column.dispatchEvent(event("dragenter"));
        column.querySelector(`.drop [data-kind=${kind}]`).dispatchEvent(event("drop"));
    }"""
    column = page.locator(".column").first.element_handle()
    page.evaluate(script, [column, list(path.read_bytes()), path.name, "image/jpeg", kind])


def plays(video: Locator) -> bool:
    """Once it moves on; a video that cannot be played never does."""
    script = "v => new Promise(done => { v.ontimeupdate = () => v.currentTime && done(!v.paused) })"
    return bool(video.evaluate(script))
