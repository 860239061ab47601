"""The menu: pages by section, each for those who may see it."""

from __future__ import annotations

from typing import NamedTuple

from console import business_texts as words
from console import texts
from console.permissions import Permission, may


class Item(NamedTuple):
    """A page in the menu: its blueprint, its endpoint, its permission, its Russian name."""

    noun: str
    endpoint: str
    permission: Permission | None
    title: str


class Section(NamedTuple):
    """Pages that belong together."""

    title: str
    items: tuple[Item, ...]


SECTIONS = (
    Section(
        texts.SECTION_WORK,
        (
            Item("home", "home.shown", Permission.FIGURES_READ, texts.PAGE_HOME),
            Item("people", "people.listed", Permission.PEOPLE_READ, texts.PAGE_PEOPLE),
            Item("jobs", "jobs.listed", Permission.LISTS_READ, texts.PAGE_ORDERS),
            Item("payments", "payments.listed", Permission.LISTS_READ, texts.PAGE_PAYMENTS),
            Item("inbox", "inbox.listed", Permission.LISTS_READ, texts.PAGE_INBOX),
            Item("reviews", "reviews.listed", Permission.REVIEWS_JUDGE, texts.PAGE_REVIEWS),
            Item("support", "support.listed", Permission.SUPPORT_ANSWER, words.SUPPORT),
        ),
    ),
    Section(
        words.SECTION,
        (
            Item("lotteries", "lotteries.listed", Permission.LISTS_READ, words.LOTTERIES),
            Item("tariffs", "tariffs.listed", Permission.LISTS_READ, words.TARIFFS),
            Item("models", "models.listed", Permission.LISTS_READ, words.MODELS),
            Item("engines", "engines.listed", Permission.LISTS_READ, words.ENGINES),
            Item("outbox", "outbox.listed", Permission.LISTS_READ, words.OUTBOX),
            Item("ledger", "ledger.listed", Permission.FIGURES_READ, words.LEDGER),
        ),
    ),
    Section(
        texts.SECTION_CONSOLE,
        (
            Item("audit", "audit.listed", Permission.AUDIT_READ, texts.PAGE_AUDIT),
            Item(
                "operators", "operators.listed", Permission.OPERATORS_CHANGE, texts.PAGE_OPERATORS
            ),
            Item("settings", "settings.shown", Permission.SETTINGS_READ, texts.PAGE_SETTINGS),
            Item("sessions", "sessions.listed", None, texts.PAGE_SESSIONS),
        ),
    ),
)


def visible(role: str) -> list[Section]:
    """What a role sees; a section without pages is left out."""
    seen = (
        Section(
            section.title,
            tuple(
                item
                for item in section.items
                if item.permission is None or may(role, item.permission)
            ),
        )
        for section in SECTIONS
    )
    return [section for section in seen if section.items]
