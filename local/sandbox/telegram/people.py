"""What people do in the simulated Telegram: write, send files, press buttons, block, join."""

from __future__ import annotations

import secrets
import time
from typing import Any

from local.sandbox.telegram.callbacks import Callbacks, Query
from local.sandbox.telegram.chat_methods import chat_member
from local.sandbox.telegram.delivery import Delivery
from local.sandbox.telegram.entities import found_in
from local.sandbox.telegram.files import Files
from local.sandbox.telegram.media import received
from local.sandbox.telegram.state import MEMBER_STATUSES, Chat, State
from local.sandbox.telegram.wire import Upload


class People:
    """The people of one bot's world. Each of their acts is an update for the bot."""

    def __init__(
        self, state: State, delivery: Delivery, files: Files, callbacks: Callbacks
    ) -> None:
        self._state = state
        self._delivery = delivery
        self._files = files
        self._callbacks = callbacks

    def say(
        self, user_id: int, text: str, *, chat_id: int | None = None, reply_to: int | None = None
    ) -> dict[str, Any]:
        """Write a text, to the bot unless another chat is named; the stored message."""
        if not text.strip():
            raise ValueError("text is empty")
        text = text.strip()
        fields: dict[str, Any] = {"text": text}
        if entities := found_in(text):
            fields["entities"] = entities
        return self._write(user_id, chat_id, fields, reply_to)

    def send_files(
        self,
        user_id: int,
        uploads: list[Upload],
        *,
        kind: str = "photo",
        caption: str = "",
        chat_id: int | None = None,
    ) -> list[dict[str, Any]]:
        """Send files as photos, shrunk as every app does it, or whole as documents.

        Several are an album; its caption is that of the first. Refuses what is no picture as photo.
        """
        if kind not in ("photo", "document"):
            raise ValueError("kind must be photo or document")
        contents = [received(self._files, kind, upload).fields for upload in uploads]
        if caption:
            contents[0] |= {"caption": caption}
            if entities := found_in(caption):
                contents[0] |= {"caption_entities": entities}
        group = {"media_group_id": str(secrets.randbits(62))} if len(contents) > 1 else {}
        return [self._write(user_id, chat_id, content | group, None) for content in contents]

    def edit(self, user_id: int, message_id: int, text: str, chat_id: int) -> dict[str, Any]:
        """Change a text of one's own; the bot gets it as edited_message."""
        post = self._state.post(chat_id, message_id, "edit")
        if post.body.get("from", {}).get("id") != user_id:
            raise ValueError("not this person's message")
        fields: dict[str, Any] = {"text": text, "entities": found_in(text)}
        body = {k: v for k, v in post.body.items() if k != "entities"} | fields
        changed = self._state.change_message(post, body | {"edit_date": int(time.time())})
        kind = "edited_channel_post" if changed["chat"]["type"] == "channel" else "edited_message"
        self._delivery.push(kind, changed, queue=f"chat:{chat_id}")
        return changed

    def press(
        self,
        user_id: int,
        *,
        chat_id: int | None = None,
        message_id: int | None = None,
        label: str | None = None,
        data: str | None = None,
    ) -> Query | dict[str, Any]:
        """Press a button, the newest with this label or data unless a message is named.

        A button with data asks the bot; of any other kind the button itself is returned.
        """
        chat = chat_id or user_id
        wanted = {"text": label, "callback_data": data}
        for message in reversed(self._state.messages(chat)):
            if message_id not in (None, message["message_id"]):
                continue
            for button in _buttons(message):
                if all(button.get(k) == v for k, v in wanted.items() if v is not None):
                    if "callback_data" not in button:
                        return button
                    self._begin(user_id)
                    return self._callbacks.press(user_id, message, button["callback_data"])
        shown = [b["text"] for m in self._state.messages(chat)[-5:] for b in _buttons(m)]
        raise ValueError(f"no such button; the last ones are {shown}")

    def block(self, user_id: int, *, blocked: bool) -> None:
        """Block the bot, or let it write again; nothing happens when it is so already."""
        person = self._state.person(user_id)
        with self._state.lock:
            if person.blocked is blocked:
                return
            person.blocked = blocked
        statuses = ("kicked", "member") if blocked else ("member", "kicked")
        self._state.journal.add("people", user_id, blocked=blocked)
        new, old = ({"user": self._state.bot(), **_status(status)} for status in statuses)
        self._tell_membership(
            "my_chat_member", self._state.private_chat(user_id), user_id, old, new
        )

    def become(self, chat_id: int, user_id: int, row: dict[str, Any]) -> None:
        """Join, leave, or become what the row says; told only to a bot that asked for it."""
        if row.get("status") not in MEMBER_STATUSES:
            raise ValueError(f"status must be one of {', '.join(MEMBER_STATUSES)}")
        person, chat = self._state.person(user_id), self._state.chats.get(chat_id)
        with self._state.lock:
            before = self._state.members.get((chat_id, user_id), {"status": "left"})
            self._state.members[chat_id, user_id] = row
        self._state.journal.add("members", chat_id, user_id=user_id, status=row["status"])
        if chat is not None and before != row:
            old, new = (chat_member(person, each) for each in (before, row))
            self._tell_membership("chat_member", chat, user_id, old, new)

    def _write(
        self, user_id: int, chat_id: int | None, fields: dict[str, Any], reply_to: int | None
    ) -> dict[str, Any]:
        private = chat_id is None or chat_id == user_id
        if private:
            self._begin(user_id)
        chat = self._state.private_chat(user_id) if private else self._state.chats[chat_id or 0]
        author: dict[str, Any] = {"from": self._state.person(user_id).as_author()}
        if chat.type == "channel":
            author = {"sender_chat": chat.as_dict()}
        if reply_to is not None:
            answered = self._state.post(chat.id, reply_to, "reply").body
            shown = {k: v for k, v in answered.items() if k != "reply_to_message"}
            author["reply_to_message"] = shown
        message = self._state.store_message(chat, author | fields)
        kind = "channel_post" if chat.type == "channel" else "message"
        self._delivery.push(kind, message, queue=f"chat:{chat.id}")
        return message

    def _begin(self, user_id: int) -> None:
        """Whoever writes can be written to, and blocks no more."""
        self._state.person(user_id).started = True
        self.block(user_id, blocked=False)

    def _tell_membership(
        self, kind: str, chat: Chat, user_id: int, old: dict[str, Any], new: dict[str, Any]
    ) -> None:
        body = {
            "chat": chat.as_dict(),
            "from": self._state.person(user_id).as_author(),
            "date": int(time.time()),
            "old_chat_member": old,
            "new_chat_member": new,
        }
        self._delivery.push(kind, body, queue=f"chat:{chat.id}")


def _buttons(message: dict[str, Any]) -> list[dict[str, Any]]:
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    return [button for row in rows for button in row]


def _status(status: str) -> dict[str, Any]:
    return {"status": status} | ({"until_date": 0} if status == "kicked" else {})
