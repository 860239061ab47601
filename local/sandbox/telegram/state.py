"""What the simulated Telegram knows: people, chats, members, messages. No HTTP, no threads here."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

from local.sandbox.telegram.wire import Refusal

# Accounts through which Telegram itself speaks; their messages have no human author.
ANONYMOUS_ADMIN = 1087968824
CHANNEL_BOT = 136817688
SERVICE_ACCOUNT = 777000

MEMBER_STATUSES = ("creator", "administrator", "member", "restricted", "left", "kicked")


@dataclass
class Chat:
    """A chat as the bot sees it; `bot_status` is the bot's own membership."""

    id: int
    type: str
    title: str = ""
    username: str | None = None
    linked_chat_id: int | None = None
    bot_status: str = "administrator"
    protected: bool = False
    migrated_to: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The Chat object of the Bot API."""
        name = {"first_name": self.title} if self.type == "private" else {"title": self.title}
        username = {"username": self.username} if self.username else {}
        return {"id": self.id, "type": self.type, **name, **username}


@dataclass
class Person:
    """A Telegram user; `refusal` is the error that a request for this user gets, if any."""

    id: int
    first_name: str = "Person"
    username: str | None = None
    refusal: str | None = None
    hides_forwards: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The User object of the Bot API."""
        username = {"username": self.username} if self.username else {}
        return {"id": self.id, "is_bot": False, "first_name": self.first_name, **username}


@dataclass
class Post:
    """A stored message: its wire body, and whether it may be forwarded."""

    body: dict[str, Any]
    protected: bool = False
    service: bool = False


@dataclass
class State:
    """All state of one bot's world, guarded by `lock`."""

    bot_id: int
    bot_username: str
    lock: RLock = field(default_factory=RLock)
    people: dict[int, Person] = field(default_factory=dict)
    chats: dict[int, Chat] = field(default_factory=dict)
    members: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    posts: dict[tuple[int, int], Post] = field(default_factory=dict)
    message_ids: itertools.count[int] = field(default_factory=lambda: itertools.count(100))

    def bot(self) -> dict[str, Any]:
        """The bot's own User object."""
        return {
            "id": self.bot_id,
            "is_bot": True,
            "first_name": "Sandbox bot",
            "username": self.bot_username,
        }

    def person(self, user_id: int) -> Person:
        """The user, created on first mention: everybody who acts in the sandbox exists."""
        with self.lock:
            return self.people.setdefault(user_id, Person(user_id))

    def private_chat(self, user_id: int) -> Chat:
        """The chat of the bot with one user."""
        person = self.person(user_id)
        return Chat(user_id, "private", title=person.first_name, username=person.username)

    def chat(self, chat_id: int | str) -> Chat:
        """The chat named by id or @name.

        Refuses as the real server does: 400 for an unknown or migrated chat, 403 where the bot
        is not (or no longer) a member.
        """
        with self.lock:
            found = self._find(chat_id)
        if found is None:
            raise Refusal(400, "Bad Request: chat not found")
        if found.migrated_to is not None:
            raise Refusal(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                {"migrate_to_chat_id": found.migrated_to},
            )
        if found.bot_status in ("left", "kicked"):
            verb = "is not a member of" if found.bot_status == "left" else "was kicked from"
            raise Refusal(403, f"Forbidden: bot {verb} the {found.type} chat")
        return found

    def store_message(self, chat: Chat, body: dict[str, Any], **flags: bool) -> dict[str, Any]:
        """Store a message of `chat` under a new message_id and return its wire body."""
        with self.lock:
            message_id = body.pop("message_id", None) or next(self.message_ids)
            stored = {
                "message_id": message_id,
                "date": int(time.time()),
                "chat": chat.as_dict(),
                **body,
            }
            self.posts[chat.id, message_id] = Post(stored, **flags)
            return stored

    def _find(self, chat_id: int | str) -> Chat | None:
        if isinstance(chat_id, int):
            if chat_id in self.people:
                return self.private_chat(chat_id)
            return self.chats.get(chat_id)
        name = chat_id.removeprefix("@").lower()
        named = (chat for chat in self.chats.values() if (chat.username or "").lower() == name)
        return next(named, None) if chat_id.startswith("@") else None
