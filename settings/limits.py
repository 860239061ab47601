"""What a single value may be, and the sentence that says how to mend one that is not so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

_HEADER = re.compile(r"[A-Za-z0-9-]+: ?[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]+):[1-9][0-9]{0,4}")

_NAME = "[A-Za-z][A-Za-z0-9_]{3,31}"
_CHAT_ID = "-?[1-9][0-9]{0,15}"
# How chats may be written, each with its fix.
CHANNELS = (
    re.compile(rf"(?:@|(?:https://)?t\.me/)?{_NAME}/?"),
    "name public channels as @name",
)
CHAT = (re.compile(f"@{_NAME}|{_CHAT_ID}"), "write @name, or the numeric id of the group")
CHAT_BY_ID = (re.compile(_CHAT_ID), "write the numeric id of the chat")
BOT = (re.compile(_NAME), "write the name of the bot without @")


@dataclass(frozen=True)
class Limits:
    """What a value may be, besides being of its field's type.

    least, above, most: of a number. decimals: at most so many digits after the point, of a number
    that has a `most`. choices: of a text. form: of a text or of each part of a list, and how to
    mend one that has another form. url: http or https; paths are appended to it, so a slash at
    its end is removed. header: one header of HTTP, Name: value. address: host:port.
    """

    least: int | None = None
    above: int | None = None
    most: int | None = None
    decimals: int | None = None
    choices: tuple[str, ...] = ()
    form: tuple[re.Pattern[str], str] | None = None
    url: bool = False
    header: bool = False
    address: bool = False

    def faults(self, value: Any) -> Iterator[str]:
        """One line for each limit that `value` does not keep."""
        yield from self._faults_of_text(value)
        if isinstance(value, int | Decimal):
            yield from self._faults_of_number(value)
        if self.form:
            form, fix = self.form
            for part in value if isinstance(value, tuple) else filter(None, [value]):
                if not form.fullmatch(part):
                    yield f"{part!r} names no chat; {fix}"

    def _faults_of_text(self, value: Any) -> Iterator[str]:
        if self.choices and value not in self.choices:
            yield f"must be one of {', '.join(self.choices)}"
        if self.url and value and (fault := _url_fault(value)):
            yield fault
        if self.header and value and not _HEADER.fullmatch(value):
            yield "must be one header, such as X-Api-Key: secret"
        if self.address and value and not _ADDRESS.fullmatch(value):
            yield "must be host:port, such as 127.0.0.1:9108"

    def _faults_of_number(self, value: int | Decimal) -> Iterator[str]:
        if self.least is not None and value < self.least:
            yield f"must be {self.least} or more"
        if self.above is not None and value <= self.above:
            yield f"must be more than {self.above}"
        if self.most is not None and value > self.most:
            yield f"must be {self.most} or less"
        elif self.decimals is not None and Decimal(value).scaleb(self.decimals) % 1:
            yield f"has at most {self.decimals} decimals"


def _url_fault(value: str) -> str | None:
    try:
        url = urlsplit(value)
        url.port  # noqa: B018 read for its ValueError
    except ValueError as error:
        return f"is not a valid URL: {error}"
    # In small letters: what is asked of http:// elsewhere looks for them.
    if not value.startswith(("http://", "https://")) or not url.hostname:
        return "must start with http:// or https:// and a host"
    if not value.isascii() or not value.isprintable() or " " in value:
        return "must be ASCII without spaces; a host in other letters is written as xn--..."
    if "?" in value or "#" in value:
        return "must have no query and no fragment"
    return None
