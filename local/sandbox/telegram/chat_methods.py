"""Bot API methods about the bot, chats and members."""

from __future__ import annotations

import time
from typing import Any

from local.sandbox.telegram.state import Chat, Person, State
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

# Of the 73 that there are, those that a bot of this kind would choose.
REACTIONS = {
    *"👍👎🔥🥰👏😁🤔🤯😱😢🎉🤩🙏👌🕊🤡🥱😍🐳🌚💯🤣🏆💔😐🍓🍾💋😴😭🤓👻👀🎃😇🤝🤗🎅🎄💅🤪🗿🆒💘🦄😘😎👾😡",
    "❤",
}


class ChatMethods:
    """The methods by lower-cased name; each takes Parameters and returns the `result`."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.table = {
            "getme": self.get_me,
            "getchat": self.get_chat,
            "getchatmember": self.get_chat_member,
            "getchatmembercount": self.get_chat_member_count,
            "getchatadministrators": self.get_chat_administrators,
            "pinchatmessage": self.pin_chat_message,
            "unpinchatmessage": self.unpin_chat_message,
            "setmessagereaction": self.set_message_reaction,
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
            **self._pinned(chat),
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
        return chat_member(person, row)

    def get_chat_member_count(self, parameters: Parameters) -> int:
        """How many are in a chat, the bot included."""
        chat = self._state.chat(parameters.chat_id())
        return 1 + len(self._people_in(chat)) if chat.type != "private" else 2

    def get_chat_administrators(self, parameters: Parameters) -> list[dict[str, Any]]:
        """Those of a group or channel who are not bots, as the real server lists them."""
        chat = self._state.chat(parameters.chat_id())
        if chat.type == "private":
            raise Refusal(400, "Bad Request: there are no administrators in the private chat")
        return [
            chat_member(person, row)
            for person, row in self._people_in(chat)
            if row["status"] in ("creator", "administrator")
        ]

    def pin_chat_message(self, parameters: Parameters) -> bool:
        """Pin a message, which is told by one of Telegram's own."""
        chat = self._where_it_may_pin(parameters)
        post = self._state.post(chat.id, parameters.integer("message_id"), "pin")
        pins = self._state.pins.setdefault(chat.id, [])
        if post.body["message_id"] not in pins:
            pins.append(post.body["message_id"])
            message = {"from": self._state.bot(), "pinned_message": post.body}
            self._state.store_message(chat, message, service=True)
        return True

    def unpin_chat_message(self, parameters: Parameters) -> bool:
        """Unpin a message, the one pinned last if none is named."""
        chat = self._where_it_may_pin(parameters)
        pins = self._state.pins.get(chat.id, [])
        message_id = parameters.integer("message_id") or (pins[-1] if pins else 0)
        if message_id not in pins:
            raise Refusal(400, "Bad Request: message to unpin not found")
        pins.remove(message_id)
        return True

    def set_message_reaction(self, parameters: Parameters) -> bool:
        """React to a message with one emoji that Telegram has for that, or take it back."""
        chat = self._state.chat(parameters.chat_id())
        post = self._state.post(chat.id, parameters.integer("message_id"), "react")
        wanted = parameters.structure("reaction") or []
        if not isinstance(wanted, list) or not all(isinstance(each, dict) for each in wanted):
            raise Refusal(400, "Bad Request: can't parse reaction types JSON object")
        if len(wanted) > 1:
            raise Refusal(400, "Bad Request: REACTIONS_TOO_MANY")
        emojis = [each.get("emoji") for each in wanted]
        if not {*emojis} <= REACTIONS:
            raise Refusal(400, "Bad Request: REACTION_INVALID")
        facts = {"message_id": post.body["message_id"], "reaction": emojis}
        self._state.journal.add("reaction", chat.id, **facts)
        return True

    def _people_in(self, chat: Chat) -> list[tuple[Person, dict[str, Any]]]:
        with self._state.lock:
            return [
                (self._state.person(user_id), row)
                for (chat_id, user_id), row in self._state.members.items()
                if chat_id == chat.id and _is_in(row)
            ]

    def _where_it_may_pin(self, parameters: Parameters) -> Chat:
        chat = self._state.chat(parameters.chat_id())
        if chat.type != "private" and chat.bot_status != "administrator":
            raise Refusal(400, "Bad Request: not enough rights to manage pinned messages")
        return chat

    def _pinned(self, chat: Chat) -> dict[str, Any]:
        for message_id in reversed(self._state.pins.get(chat.id, [])):
            if post := self._state.posts.get((chat.id, message_id)):
                return {"pinned_message": post.body}
        return {}


def _is_in(row: dict[str, Any]) -> bool:
    """Whether this membership is one."""
    if row["status"] == "restricted":
        return bool(row.get("is_member", True))
    return row["status"] in ("creator", "administrator", "member")


def chat_member(person: Person, row: dict[str, Any]) -> dict[str, Any]:
    """The ChatMember of a person, from what the sandbox keeps of a membership."""
    return {"user": person.as_dict(), **_member_fields(row)}


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
