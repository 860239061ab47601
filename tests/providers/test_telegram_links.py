"""Every form of message link people paste, and none of those they should not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.telegram.links import MessageRef, parse_message_link

NAMED = MessageRef("@live_photo", 77)


@pytest.mark.parametrize(
    ("link", "ref"),
    [
        ("https://t.me/live_photo/77", NAMED),
        ("http://t.me/live_photo/77", NAMED),
        ("t.me/live_photo/77", NAMED),
        ("  https://t.me/live_photo/77/  ", NAMED),
        ("HTTPS://T.ME/Live_Photo/77", NAMED),
        ("https://www.t.me/live_photo/77", NAMED),
        ("https://telegram.me/live_photo/77", NAMED),
        ("https://telegram.dog/live_photo/77", NAMED),
        ("https://live_photo.t.me/77", NAMED),
        ("https://t.me/s/live_photo/77", NAMED),
        ("https://t.me/live_photo/77?single", NAMED),
        ("https://t.me/live_photo/77?thread=5", NAMED),
        ("https://t.me/live_photo/77#text", NAMED),
        ("https://t.me/live_photo/5/77", NAMED),
        ("https://t.me/live_photo/77?comment=990", MessageRef("@live_photo", 77, 990)),
        ("https://t.me/live_photo/77?single&comment=990", MessageRef("@live_photo", 77, 990)),
        ("https://t.me/c/1234567890/77", MessageRef(-1001234567890, 77)),
        ("https://t.me/c/1234567890/5/77", MessageRef(-1001234567890, 77)),
        ("https://t.me/c/1234567890/77?thread=5", MessageRef(-1001234567890, 77)),
        ("https://t.me/c/1234567890/77?comment=9", MessageRef(-1001234567890, 77, 9)),
        ("https://t.me/live_photo/2147483647", MessageRef("@live_photo", 2147483647)),
    ],
)
def test_every_form_of_link_names_its_message(link: str, ref: MessageRef) -> None:
    assert parse_message_link(link) == ref


@pytest.mark.parametrize(
    "link",
    [
        "",
        "   ",
        "привет",
        "https://t.me",
        "https://t.me/",
        "https://t.me/live_photo",
        "https://t.me/live_photo/",
        "https://t.me/live_photo/0",
        "https://t.me/live_photo/-5",
        "https://t.me/live_photo/07",
        "https://t.me/live_photo/77x",
        "https://t.me/live_photo/٧٧",
        "https://t.me/live_photo/2147483648",
        "https://t.me/live_photo/1/2/3",
        "https://t.me/live_photo/77?comment=",
        "https://t.me/live_photo/77?comment=abc",
        "https://t.me/live_photo/77?comment=0",
        "https://t.me/abc/77",
        "https://t.me/9lives/77",
        "https://t.me/+AbCdEf/77",
        "https://t.me/c/77",
        "https://t.me/c/abc/77",
        "https://t.me/c/-100123/77",
        "https://t.me/c//77",
        "https://t.me/s/77",
        "https://t.me:443/live_photo/77",
        "https://user@t.me/live_photo/77",
        "https://t.me@evil.example/live_photo/77",
        "https://evil.example/live_photo/77",
        "https://t.me.evil.example/live_photo/77",
        "https://evilt.me/live_photo/77",
        "https://live_photo.telegram.me/77",
        "https://a.b.t.me/77",
        "ftp://t.me/live_photo/77",
        "javascript://t.me/live_photo/77",
        "https://[t.me/live_photo/77",
        "https://t.me:99999999/live_photo/77",
        "https://t.me/live_photo/77?x=" + "a" * 2048,
    ],
)
def test_anything_else_names_nothing(link: str) -> None:
    assert parse_message_link(link) is None


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | st.text("/tme.c?:=#@0123456789ascomen", max_size=40))
def test_no_text_makes_the_parser_stumble(text: str) -> None:
    parse_message_link(text)
    parse_message_link(f"https://t.me/{text}")
