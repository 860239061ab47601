"""Links to Telegram messages, as people copy them. Pure text parsing: nothing is fetched."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

HOSTS = ("t.me", "telegram.me", "telegram.dog")
LINK_LIMIT = 2048

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{3,31}")
_ID = re.compile(r"[1-9][0-9]{0,9}")
# Message ids are signed 32-bit numbers; channel numbers are longer.
_MESSAGE_ID_LIMIT = 2**31 - 1
_CHANNEL_NUMBER = re.compile(r"[1-9][0-9]{0,15}")


@dataclass(frozen=True)
class MessageRef:
    """Which message a link names.

    chat: "@name" in lower case, or the numeric id of a private chat (-100...).
    message_id: the message in that chat; with comment_id it is the commented channel post.
    comment_id: the comment, a message of the discussion group linked to `chat`.
    """

    chat: str | int
    message_id: int
    comment_id: int | None = None


def parse_message_link(link: str) -> MessageRef | None:
    """The message that a link names; None for anything else.

    Known forms, with or without scheme, on t.me, telegram.me and telegram.dog: name/id,
    name/topic/id, name/post?comment=id, c/number/id, c/number/topic/id, s/name/id, and
    name.t.me/id. `?single` and `?thread=` change nothing.
    """
    parts = _address(link)
    if parts is None:
        return None
    host, path, query = parts
    segments = path.strip("/").split("/")
    owner, known_host = _owner_in_host(host)
    if not known_host:
        return None
    if owner:
        segments.insert(0, owner)
    elif segments[0] == "s" and len(segments) > 1:
        del segments[0]
    chat, numbers = _chat(segments)
    # One number is the message, two are the topic and the message in it.
    if chat is None or len(numbers) not in (1, 2):
        return None
    ids = [_message_id(number) for number in numbers]
    comments = parse_qs(query, keep_blank_values=True).get("comment", [])
    comment_id = _message_id(comments[0]) if comments else None
    if None in ids or (comments and comment_id is None):
        return None
    return MessageRef(chat, ids[-1] or 0, comment_id)


def _address(link: str) -> tuple[str, str, str] | None:
    """Host, path and query of the link; None with port, credentials or another scheme."""
    text = link.strip()
    if not text or len(text) > LINK_LIMIT or not text.isascii():
        return None
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        if parts.port is not None or "@" in parts.netloc:
            return None
    except ValueError:
        return None
    if parts.scheme not in ("http", "https"):
        return None
    return (parts.hostname or "").removeprefix("www."), parts.path, parts.query


def _owner_in_host(host: str) -> tuple[str, bool]:
    """The name in name.t.me, "" for a plain host; and whether the host is Telegram's at all."""
    if host in HOSTS:
        return "", True
    owner, _, rest = host.partition(".")
    return owner, rest == "t.me"


def _chat(segments: list[str]) -> tuple[str | int | None, list[str]]:
    """The chat named by the first segments, and the segments left for numbers."""
    if segments[0] == "c" and len(segments) > 1:
        number = segments[1]
        return (int(f"-100{number}") if _CHANNEL_NUMBER.fullmatch(number) else None), segments[2:]
    name = segments[0]
    return (f"@{name.lower()}" if _NAME.fullmatch(name) else None), segments[1:]


def _message_id(text: str) -> int | None:
    if not _ID.fullmatch(text) or int(text) > _MESSAGE_ID_LIMIT:
        return None
    return int(text)
