"""What the simulated Telegram knows: people, chats, members, messages. No HTTP, no threads here."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

from local.sandbox.telegram.journal import Journal
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
    last_name: str | None = None
    username: str | None = None
    linked_chat_id: int | None = None
    bot_status: str = "administrator"
    protected: bool = False
    migrated_to: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The Chat object of the Bot API."""
        name = {"first_name": self.title} if self.type == "private" else {"title": self.title}
        optional = {"last_name": self.last_name, "username": self.username}
        known = {name: value for name, value in optional.items() if value}
        return {"id": self.id, "type": self.type, **name, **known}


@dataclass
class Person:
    """A Telegram user.

    refusal: the error that getChatMember gets for this user, if any. started: has written to the
    bot, which may not write first. blocked: has blocked the bot.
    """

    id: int
    first_name: str = "Person"
    last_name: str | None = None
    username: str | None = None
    language_code: str | None = None
    refusal: str | None = None
    hides_forwards: bool = False
    started: bool = False
    blocked: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The User object of the Bot API."""
        optional = {name: getattr(self, name) for name in ("last_name", "username")}
        known = {name: value for name, value in optional.items() if value}
        return {"id": self.id, "is_bot": False, "first_name": self.first_name, **known}

    def as_author(self) -> dict[str, Any]:
        """The same, with the language of the app, as it comes with what the person does."""
        language = {"language_code": self.language_code} if self.language_code else {}
        return self.as_dict() | language


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
    keyboards: dict[int, dict[str, Any]] = field(default_factory=dict)
    pins: dict[int, list[int]] = field(default_factory=dict)
    journal: Journal = field(default_factory=Journal)

    def bot(self) -> dict[str, Any]:
        """The bot's own User object."""
        return {
            "id": self.bot_id,
            "is_bot": True,
            "first_name": "Оживи фото",
            "username": self.bot_username,
        }

    def person(self, user_id: int) -> Person:
        """The user, created on first mention: everybody who acts in the sandbox exists."""
        with self.lock:
            return self.people.setdefault(user_id, Person(user_id))

    def private_chat(self, user_id: int) -> Chat:
        """The chat of the bot with one user."""
        person = self.person(user_id)
        return Chat(user_id, "private", person.first_name, person.last_name, person.username)

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
            self.journal.add("message", chat.id, message=stored)
            return stored

    def post(self, chat_id: int, message_id: int, action: str) -> Post:
        """A stored message; 400 "message to <action> not found" otherwise."""
        with self.lock:
            found = self.posts.get((chat_id, message_id))
        if found is None:
            raise Refusal(400, f"Bad Request: message to {action} not found")
        return found

    def change_message(self, post: Post, body: dict[str, Any]) -> dict[str, Any]:
        """Give a stored message a new body, as an edit does."""
        with self.lock:
            post.body = body
            self.journal.add("edit", body["chat"]["id"], message=body)
            return body

    def delete_message(self, chat_id: int, message_id: int) -> bool:
        """Whether there was such a message."""
        with self.lock:
            found = self.posts.pop((chat_id, message_id), None)
            if found is not None:
                self.journal.add("delete", chat_id, message_id=message_id)
            return found is not None

    def messages(self, chat_id: int) -> list[dict[str, Any]]:
        """All messages of a chat, oldest first."""
        with self.lock:
            return [post.body for (chat, _), post in self.posts.items() if chat == chat_id]

    def writable_chat(self, chat_id: int | str) -> Chat:
        """The chat to which the bot is about to send.

        Refuses as the real server does: 403 where a person has not written first or has blocked
        the bot, 400 where the bot is no administrator of the channel.
        """
        chat = self.chat(chat_id)
        if chat.type == "private":
            person = self.people[chat.id]
            if person.blocked:
                raise Refusal(403, "Forbidden: bot was blocked by the user")
            if not person.started:
                raise Refusal(403, "Forbidden: bot can't initiate conversation with a user")
        if chat.type == "channel" and chat.bot_status != "administrator":
            raise Refusal(400, "Bad Request: need administrator rights in the channel chat")
        return chat

    def _find(self, chat_id: int | str) -> Chat | None:
        if isinstance(chat_id, int):
            if chat_id in self.people:
                return self.private_chat(chat_id)
            return self.chats.get(chat_id)
        name = chat_id.removeprefix("@").lower()
        named = (chat for chat in self.chats.values() if (chat.username or "").lower() == name)
        return next(named, None) if chat_id.startswith("@") else None
