"""Bot API methods about the bot, chats, members and messages."""

from __future__ import annotations

import time
from typing import Any

from local.sandbox.telegram.state import Chat, Post, State
from local.sandbox.telegram.wire import Parameters, Refusal

ADMIN_RIGHTS = (
    "can_manage_chat",
    "can_delete_messages",
    "can_manage_video_chats",
    "can_restrict_members",
    "can_promote_members",
    "can_change_info",
    "can_invite_users",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
)
MEMBER_RIGHTS = (
    "can_send_messages",
    "can_send_audios",
    "can_send_documents",
    "can_send_photos",
    "can_send_videos",
    "can_send_video_notes",
    "can_send_voice_notes",
    "can_send_polls",
    "can_send_other_messages",
    "can_add_web_page_previews",
    "can_change_info",
    "can_invite_users",
    "can_pin_messages",
    "can_manage_topics",
    "can_edit_tag",
    "can_react_to_messages",
)
GIFTS = (
    "unlimited_gifts",
    "limited_gifts",
    "unique_gifts",
    "premium_subscription",
    "gifts_from_channels",
)


class ChatMethods:
    """The methods by lower-cased name; each takes Parameters and returns the `result`."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.table = {
            "getme": self.get_me,
            "getchat": self.get_chat,
            "getchatmember": self.get_chat_member,
            "sendmessage": self.send_message,
            "forwardmessage": self.forward_message,
            "deletemessage": self.delete_message,
        }

    def get_me(self, _: Parameters) -> dict[str, Any]:
        """The bot itself."""
        return {
            **self._state.bot(),
            "can_join_groups": True,
            "can_read_all_group_messages": False,
            "supports_inline_queries": False,
            "can_connect_to_business": False,
            "has_main_web_app": False,
        }

    def get_chat(self, parameters: Parameters) -> dict[str, Any]:
        """A ChatFullInfo with linked_chat_id where there is one."""
        chat = self._state.chat(parameters.chat_id())
        linked = {"linked_chat_id": chat.linked_chat_id} if chat.linked_chat_id else {}
        gifts = dict.fromkeys(GIFTS, False)
        return {
            **chat.as_dict(),
            "accent_color_id": 0,
            "max_reaction_count": 11,
            "accepted_gift_types": gifts,
            **({"has_protected_content": True} if chat.protected else {}),
            **linked,
        }

    def get_chat_member(self, parameters: Parameters) -> dict[str, Any]:
        """A ChatMember of any status; refuses where the bot may not look."""
        chat = self._state.chat(parameters.chat_id())
        user_id = parameters.user_id()
        with self._state.lock:
            if chat.bot_status != "administrator" and chat.type == "channel":
                raise Refusal(400, "Bad Request: member list is inaccessible")
            person = self._state.people.get(user_id)
            if person is None:
                raise Refusal(400, "Bad Request: user not found")
            if person.refusal:
                raise Refusal(400, f"Bad Request: {person.refusal}")
            row = self._state.members.get((chat.id, user_id), {"status": "left"})
        return {"user": person.as_dict(), **_member_fields(row)}

    def send_message(self, parameters: Parameters) -> dict[str, Any]:
        """A text message of 1-4096 characters from the bot."""
        chat = self._state.chat(parameters.chat_id())
        text = parameters.text("text", "")
        if not text.strip():
            raise Refusal(400, "Bad Request: message text is empty")
        if len(text) > 4096:
            raise Refusal(400, "Bad Request: message is too long")
        return self._state.store_message(chat, {"from": self._state.bot(), "text": text})

    def forward_message(self, parameters: Parameters) -> dict[str, Any]:
        """The forwarded copy with its forward_origin; protected and service messages refuse."""
        target = self._state.chat(parameters.chat_id())
        source = self._state.chat(parameters.chat_id("from_chat_id"))
        with self._state.lock:
            post = self._state.posts.get((source.id, parameters.integer("message_id")))
            if post is None:
                raise Refusal(400, "Bad Request: message to forward not found")
            if source.protected:
                raise Refusal(400, "Bad Request: CHAT_FORWARDS_RESTRICTED")
            if post.protected or post.service:
                raise Refusal(400, "Bad Request: the message can't be forwarded")
            body: dict[str, Any] = {
                "from": self._state.bot(),
                "forward_origin": self._origin(source, post),
                **{key: post.body[key] for key in ("text", "caption", "photo") if key in post.body},
            }
            return self._state.store_message(target, body)

    def delete_message(self, parameters: Parameters) -> bool:
        """True once; afterwards the message is not found."""
        chat = self._state.chat(parameters.chat_id())
        with self._state.lock:
            if self._state.posts.pop((chat.id, parameters.integer("message_id")), None) is None:
                raise Refusal(400, "Bad Request: message to delete not found")
        return True

    def _origin(self, source: Chat, post: Post) -> dict[str, Any]:
        body = post.body
        if "forward_origin" in body:
            # Forwarding a forward keeps the first origin.
            return dict(body["forward_origin"])
        date = body["date"]
        signature = {key: body[key] for key in ("author_signature",) if key in body}
        if source.type == "channel":
            number = body["message_id"]
            chat = source.as_dict()
            return {
                "type": "channel",
                "date": date,
                "chat": chat,
                "message_id": number,
                **signature,
            }
        if "sender_chat" in body:
            return {"type": "chat", "date": date, "sender_chat": body["sender_chat"], **signature}
        author = body["from"]
        if not author["is_bot"] and self._state.person(author["id"]).hides_forwards:
            return {"type": "hidden_user", "date": date, "sender_user_name": author["first_name"]}
        return {"type": "user", "date": date, "sender_user": author}


def _member_fields(row: dict[str, Any]) -> dict[str, Any]:
    status = row["status"]
    fields: dict[str, Any] = {"status": status}
    if status == "creator":
        fields["is_anonymous"] = False
    if status == "administrator":
        fields |= {"can_be_edited": False, "is_anonymous": False}
        fields |= dict.fromkeys(ADMIN_RIGHTS, True)
    if status == "restricted":
        fields |= dict.fromkeys(MEMBER_RIGHTS, False)
        fields |= {"is_member": bool(row.get("is_member", True)), "until_date": 0}
    if status == "kicked":
        fields["until_date"] = int(time.time()) + 86400
    return fields
