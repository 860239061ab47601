"""Finding recent Star transactions: the API counts only from the oldest one ever."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from providers.telegram.answers import StarTransaction
from providers.telegram.bot import TelegramBot

PAGE = 100


def star_transactions_since(bot: TelegramBot, moment: datetime) -> Iterator[StarTransaction]:
    """Transactions made at `moment` or later, oldest first.

    One call while there are under 100 in all; beyond that the place is found by bisection, about
    2 * log2(n) calls, not by reading the shop's whole history. Raises TelegramError.
    """
    page = bot.get_star_transactions(0, PAGE)
    offset = 0
    if len(page) == PAGE and page[-1].made_at < moment:
        offset = _first_since(bot, moment)
        page = bot.get_star_transactions(offset, PAGE)
    while page:
        yield from (found for found in page if found.made_at >= moment)
        offset += len(page)
        page = bot.get_star_transactions(offset, PAGE) if len(page) == PAGE else ()


def _first_since(bot: TelegramBot, moment: datetime) -> int:
    """Offset of the first transaction at `moment` or later, or the number of all."""
    high = PAGE
    while _is_older(bot, high, moment):
        high *= 2
    low = high // 2
    while low < high:
        middle = (low + high) // 2
        if _is_older(bot, middle, moment):
            low = middle + 1
        else:
            high = middle
    return low


def _is_older(bot: TelegramBot, offset: int, moment: datetime) -> bool:
    found = bot.get_star_transactions(offset, 1)
    return bool(found) and found[0].made_at < moment
