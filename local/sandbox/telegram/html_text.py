"""parse_mode HTML: the tags that Telegram knows, and its refusals of all others."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import Any

from local.sandbox.telegram.marks import Mark, MarkupError, byte_offset

KINDS = {
    **dict.fromkeys(("b", "strong"), "bold"),
    **dict.fromkeys(("i", "em"), "italic"),
    **dict.fromkeys(("u", "ins"), "underline"),
    **dict.fromkeys(("s", "strike", "del"), "strikethrough"),
    **dict.fromkeys(("tg-spoiler", "span"), "spoiler"),
    "code": "code",
    "pre": "pre",
    "a": "text_link",
    "blockquote": "blockquote",
    "tg-emoji": "custom_emoji",
}
_TAG = re.compile(r"<(/?)([A-Za-z][\w-]*)((?:\s+[^<>]*)?)/?>")
_ATTRIBUTE = re.compile(r"([\w-]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+)))?")
_REFERENCE = re.compile(r"&(?:lt|gt|amp|quot|#\d+|#x[0-9A-Fa-f]+);")


@dataclass
class _Open:
    tag: str
    start: int
    attributes: dict[str, str]


@dataclass
class _Reader:
    source: str
    plain: str = ""
    marks: list[Mark] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)

    def read(self) -> None:
        position = 0
        while (at := self.source.find("<", position)) >= 0:
            self._add(self.source[position:at])
            tag = _TAG.match(self.source, at)
            if tag is None:
                raise MarkupError(f"Unclosed start tag at byte offset {self._byte(at)}")
            (self._close if tag[1] else self._open)(tag)
            position = tag.end()
        self._add(self.source[position:])
        if self.stack:
            tag_name = self.stack[-1].tag
            raise MarkupError(f'Can\'t find end tag corresponding to start tag "{tag_name}"')

    def _add(self, text: str) -> None:
        self.plain += _REFERENCE.sub(lambda found: html.unescape(found[0]), text)

    def _byte(self, index: int) -> int:
        return byte_offset(self.source, index)

    def _open(self, tag: re.Match[str]) -> None:
        name = tag[2].lower()
        found = {
            part[1].lower(): html.unescape(part[2] or part[3] or part[4] or "")
            for part in _ATTRIBUTE.finditer(tag[3])
        }
        if name not in KINDS or (name == "span" and found.get("class") != "tg-spoiler"):
            raise MarkupError(
                f'Unsupported start tag "{name}" at byte offset {self._byte(tag.start())}'
            )
        self.stack.append(_Open(name, len(self.plain), found))

    def _close(self, tag: re.Match[str]) -> None:
        at, name = self._byte(tag.start()), tag[2].lower()
        if not self.stack:
            raise MarkupError(f"Unexpected end tag at byte offset {at}")
        opened = self.stack.pop()
        if opened.tag != name:
            raise MarkupError(
                f'Unmatched end tag at byte offset {at}, expected "</{opened.tag}>",'
                f' found "</{name}>"'
            )
        if opened.start < len(self.plain):
            self._mark(opened)

    def _mark(self, opened: _Open) -> None:
        kind, more = KINDS[opened.tag], dict[str, Any]()
        text = self.plain[opened.start :]
        if kind == "text_link":
            more["url"] = opened.attributes.get("href") or text
        if kind == "custom_emoji":
            more["custom_emoji_id"] = opened.attributes.get("emoji-id", "")
        if kind == "blockquote" and "expandable" in opened.attributes:
            kind = "expandable_blockquote"
        if kind == "code" and self.stack and self.stack[-1].tag == "pre":
            language = opened.attributes.get("class", "").removeprefix("language-")
            self.stack[-1].attributes |= {"language": language} if language else {}
            return  # <pre><code class="language-x"> is one block
        if kind == "pre" and "language" in opened.attributes:
            more["language"] = opened.attributes["language"]
        self.marks.append(Mark(kind, opened.start, len(self.plain), more))


def parse(text: str) -> tuple[str, list[Mark]]:
    """The plain text and its marks. MarkupError for what is not well-formed."""
    reader = _Reader(text)
    reader.read()
    return reader.plain, reader.marks
