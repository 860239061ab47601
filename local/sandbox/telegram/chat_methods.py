"""Bot API methods about the bot, chats and members."""

from __future__ import annotations

import time
from typing import Any

from local.sandbox.telegram.state import Person, State
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
        return chat_member(person, row)


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
