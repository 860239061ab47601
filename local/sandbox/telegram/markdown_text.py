"""parse_mode MarkdownV2, and the older Markdown that does not nest."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from local.sandbox.telegram.marks import Mark, MarkupError, byte_offset

# Longer markers first: ``` is no `, and __ is no _.
KINDS = {
    "```": "pre",
    "`": "code",
    "||": "spoiler",
    "__": "underline",
    "_": "italic",
    "*": "bold",
    "~": "strikethrough",
    "[": "text_link",
}
RESERVED = set("_*[]()~`>#+-=|{}.!")
LEGACY = {"```": "pre", "`": "code", "_": "italic", "*": "bold", "[": "text_link"}
_ADDRESS = re.compile(r"\(((?:\\.|[^)\\])*)\)", re.DOTALL)


@dataclass
class _Reader:
    source: str
    plain: str = ""
    marks: list[Mark] = field(default_factory=list)
    stack: list[tuple[str, int, int]] = field(default_factory=list)  # marker, start, its position
    position: int = 0

    def read(self) -> None:
        while self.position < len(self.source):
            if not (self._escape() or self._quote() or self._close() or self._open()):
                self._add()
        if self.stack:
            marker, _, at = self.stack[-1]
            name = KINDS[marker].title().replace("_", "")
            raise MarkupError(
                f"Can't find end of {name} entity at byte offset {byte_offset(self.source, at)}"
            )

    @property
    def _in_code(self) -> bool:
        return bool(self.stack) and self.stack[-1][0] in ("`", "```")

    def _escape(self) -> bool:
        after = self.source[self.position + 1 : self.position + 2]
        if self.source[self.position] != "\\" or not after or ord(after) > 126:
            return False
        self.plain += after
        self.position += 2
        return True

    def _quote(self) -> bool:
        """A block of lines that begin with > is read as a text of its own."""
        line_start = self.position == 0 or self.source[self.position - 1] == "\n"
        if self.stack or not line_start or self.source[self.position] != ">":
            return False
        lines = re.match(r"(?:>[^\n]*(?:\n(?=>)|$|(?=\n)))+", self.source[self.position :])
        if lines is None:
            return False
        quoted, inner = parse(re.sub(r"^>", "", lines[0], flags=re.MULTILINE))
        start = len(self.plain)
        self.plain += quoted
        self.marks += [Mark(m.kind, m.start + start, m.end + start, m.more) for m in inner]
        self.marks.append(Mark("blockquote", start, len(self.plain)))
        self.position += lines.end()
        return True

    def _close(self) -> bool:
        if not self.stack:
            return False
        marker, start, _ = self.stack[-1]
        closing = "]" if marker == "[" else marker
        if not self.source.startswith(closing, self.position):
            return False
        self.position += len(closing)
        more = {"url": self._address()} if marker == "[" else {}
        self.stack.pop()
        if start < len(self.plain):
            self.marks.append(Mark(KINDS[marker], start, len(self.plain), more))
        return True

    def _address(self) -> str:
        found = _ADDRESS.match(self.source, self.position)
        if found is None:
            return ""
        self.position = found.end()
        return re.sub(r"\\(.)", r"\1", found[1])

    def _open(self) -> bool:
        if self._in_code:
            return False
        marker = next((m for m in KINDS if self.source.startswith(m, self.position)), None)
        if marker is None:
            return False
        self.stack.append((marker, len(self.plain), self.position))
        self.position += len(marker)
        return True

    def _add(self) -> None:
        character = self.source[self.position]
        if character in RESERVED and not self._in_code:
            raise MarkupError(
                f"Character '{character}' is reserved and must be escaped with the preceding '\\'"
            )
        self.plain += character
        self.position += 1


def parse(text: str) -> tuple[str, list[Mark]]:
    """MarkdownV2: the plain text and its marks. MarkupError for what is not well-formed."""
    reader = _Reader(text)
    reader.read()
    return reader.plain, reader.marks


def parse_legacy(text: str) -> tuple[str, list[Mark]]:
    """Markdown: the same without nesting, and only the four markers may be escaped."""
    plain, marks, position = "", list[Mark](), 0
    while position < len(text):
        marker = next((m for m in LEGACY if text.startswith(m, position)), None)
        if text[position] == "\\" and text[position + 1 : position + 2] in ("_", "*", "`", "["):
            plain += text[position + 1]
            position += 2
        elif marker is None:
            plain += text[position]
            position += 1
        else:
            end = text.find("]" if marker == "[" else marker, position + len(marker))
            if end < 0:
                raise MarkupError(
                    "Can't find end of the entity starting at byte offset "
                    f"{byte_offset(text, position)}"
                )
            inside, start = text[position + len(marker) : end], len(plain)
            plain, position = plain + inside, end + (1 if marker == "[" else len(marker))
            address = _ADDRESS.match(text, position) if marker == "[" else None
            if address is not None:
                position = address.end()
            if marker != "[" or address is not None:
                more = {"url": address[1]} if address is not None else {}
                marks.append(Mark(LEGACY[marker], start, len(plain), more))
    return plain, marks
