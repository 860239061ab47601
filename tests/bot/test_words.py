"""What the bot says: numbers with their nouns, prices, and limits of Telegram."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from bot import screens, texts
from bot.journal import Journal
from livephoto_client import JobMeta

ROOT = Path(__file__).parents[2]
UUID = "0b9f6c1e-4a7d-4f52-8f0b-6d1c2e3a4b5c"


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("0", "0 токенов"),
        ("1", "1 токен"),
        ("2.00", "2 токена"),
        ("2.5", "2,5 токена"),
        ("5", "5 токенов"),
        ("11", "11 токенов"),
        ("21", "21 токен"),
        ("112", "112 токенов"),
        ("1000", "1000 токенов"),
        ("7.25", "7,25 токена"),
    ],
)
def test_amounts_agree_with_their_noun(amount: str, words: str) -> None:
    assert texts.tokens(Decimal(amount)) == words


def test_a_caption_tells_size_length_and_weight_and_what_could_not_be_done() -> None:
    clip = JobMeta(width=960, height=720, duration_seconds=4.0, faces=1)
    assert texts.caption("1042", 433_053, clip).startswith(
        "Заказ №1042 · 960×720 · 4 с · 0,4 МБ\nП"
    )
    assert texts.NO_FACES in texts.caption("1042", 433_053, replace(clip, faces=0))
    photo = JobMeta(faces=0, damage_left=True)
    lines = texts.caption("7", 9_960_000, photo).splitlines()
    assert lines[:2] == ["Заказ №7 · 10 МБ", texts.DAMAGE_LEFT]


def test_what_a_button_carries_fits_into_it() -> None:
    letters = [value for name, value in vars(screens).items() if name.isupper()]
    longest = max(len(each) for each in letters if isinstance(each, str))
    assert len(f"{'x' * longest}:y:{UUID}".encode()) <= 64


def test_every_command_of_the_menu_is_handled() -> None:
    handled = re.findall(r'^        "(\w+)": ', (ROOT / "bot/handlers.py").read_text("utf-8"), re.M)
    assert set(texts.COMMANDS) == set(handled)


def test_a_journal_tells_how_often_a_killed_bot_had_begun_something(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "state" / "journal")
    assert journal.is_new
    assert [journal.begin(number) for number in (5, 6, 7)] == [0, 0, 0]
    journal.finish(6)
    again = Journal(tmp_path / "state" / "journal")
    assert not again.is_new
    assert again.is_done(6) and not again.is_done(5)
    assert (again.begin(5), again.begin(7)) == (1, 1)
    again = Journal(tmp_path / "state" / "journal")
    again.confirm(7)
    assert again.begin(7) == 2
    again.finish(7)
    assert Journal(tmp_path / "state" / "journal").begin(5) == 0
