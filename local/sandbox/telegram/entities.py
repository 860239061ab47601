"""The entities of a text: those a bot marks, and those that Telegram finds by itself.

Offsets and lengths on the wire count UTF-16 code units; inside, they count characters.
"""

from __future__ import annotations

import re
from typing import Any

from local.sandbox.telegram import html_text, markdown_text
from local.sandbox.telegram.marks import Mark, MarkupError
from local.sandbox.telegram.wire import Parameters, Refusal

# Found in this order; what is already part of one is not looked at again.
_AUTOMATIC = {
    "url": re.compile(r"https?://[^\s<>\"«»]*[^\s<>\"«».,;:!?)]|(?<![\w@./])t\.me/[\w/?=+-]+"),
    "email": re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "bot_command": re.compile(r"(?<![\w/])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/])"),
    "mention": re.compile(r"(?<![\w@])@[A-Za-z][A-Za-z0-9_]{3,31}(?!\w)"),
    "hashtag": re.compile(r"(?<![\w#])#\w*[^\W\d]\w*"),
}
_PARSERS = {
    "html": html_text.parse,
    "markdownv2": markdown_text.parse,
    "markdown": markdown_text.parse_legacy,
}


def units(text: str) -> int:
    """Length of a text in UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def found_in(text: str, marked: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    """The entities of a text: `marked`, and links, commands, names and tags that are apparent."""
    known = list(marked or [])
    # Code is left as it is; other marks may hold links.
    taken = [each for each in known if each["type"] in ("code", "pre", "text_link", "text_mention")]
    for kind, pattern in _AUTOMATIC.items():
        for match in pattern.finditer(text):
            entity = {
                "type": kind,
                "offset": units(text[: match.start()]),
                "length": units(match[0]),
            }
            if not any(_overlap(entity, each) for each in taken):
                taken.append(entity)
                known.append(entity)
    return sorted(known, key=lambda each: (each["offset"], -each["length"]))


def formatted(
    parameters: Parameters, name: str = "text", *, entities: str = "entities"
) -> tuple[str, list[dict[str, Any]]]:
    """The text of a parameter and its entities, by parse_mode or as they are listed."""
    text = parameters.text(name, "").replace("\r", "")
    mode = parameters.text("parse_mode", "").lower()
    if mode and mode not in _PARSERS:
        raise Refusal(400, "Bad Request: unsupported parse_mode")
    marks: list[Mark] = []
    if mode:
        try:
            text, marks = _PARSERS[mode](text)
        except MarkupError as error:
            raise Refusal(400, f"Bad Request: can't parse entities: {error}") from None
    text, marked = _trimmed(text, [_on_the_wire(text, mark) for mark in marks])
    if not mode and (listed := parameters.structure(entities)):
        marked = _checked(listed)
    return text, found_in(text, marked)


def _on_the_wire(text: str, mark: Mark) -> dict[str, Any]:
    offset, length = units(text[: mark.start]), units(text[mark.start : mark.end])
    return {"type": mark.kind, "offset": offset, "length": length, **mark.more}


def _trimmed(text: str, marked: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    """Without spaces around, as texts are sent; entities of nothing but these go."""
    kept = text.strip()
    before, size = units(text[: len(text) - len(text.lstrip())]), units(kept)
    moved = []
    for each in marked:
        start = max(each["offset"] - before, 0)
        end = min(each["offset"] + each["length"] - before, size)
        if start < end:
            moved.append(each | {"offset": start, "length": end - start})
    return kept, moved


def _checked(listed: Any) -> list[dict[str, Any]]:
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise Refusal(400, "Bad Request: can't parse MessageEntity: expected an array of objects")
    for each in listed:
        if not all(isinstance(each.get(name), int) for name in ("offset", "length")):
            raise Refusal(400, "Bad Request: can't parse MessageEntity: offset and length needed")
    return listed


def _overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return bool(
        one["offset"] < other["offset"] + other["length"]
        and other["offset"] < one["offset"] + one["length"]
    )
