"""What Bot API methods return, as frozen values read from the JSON.

The readers raise KeyError, TypeError or ValueError for a shape they do not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from providers.telegram.updates import hash_text, prose_length


class Membership(StrEnum):
    """Whether a person is in a chat. Not knowing is an error, never a value."""

    MEMBER = "member"
    NOT_MEMBER = "not_member"


# ChatMember.status; "restricted" says it in a separate field.
MEMBERSHIPS = {
    "creator": Membership.MEMBER,
    "administrator": Membership.MEMBER,
    "member": Membership.MEMBER,
    "left": Membership.NOT_MEMBER,
    "kicked": Membership.NOT_MEMBER,
}


@dataclass(frozen=True)
class ChatFacts:
    """A chat; linked_chat_id is a channel's discussion group, or a group's channel."""

    id: int
    type: str
    username: str | None
    linked_chat_id: int | None

    def is_named(self, name: int | str) -> bool:
        """Whether an id, or an @name in lower case, is this chat's."""
        return name in (self.id, f"@{self.username}".lower())


@dataclass(frozen=True)
class ForwardedMessage:
    """The bot's copy of a message, and what it proves about the original.

    author_id: the human author; None when they hide behind privacy, a channel or a group.
    text_hash, prose_length: `hash_text` and `prose_length` of the original. written_at: when it
        was sent.
    """

    copy_id: int
    author_id: int | None
    text_hash: str | None
    prose_length: int | None
    written_at: datetime


@dataclass(frozen=True)
class StarTransaction:
    """One movement of whole Stars; a refund has the charge id of its payment."""

    charge_id: str
    amount: int
    incoming: bool
    made_at: datetime
    user_id: int | None
    payload: str | None


def read_chat(chat: Mapping[str, Any]) -> ChatFacts:
    """From getChat."""
    return ChatFacts(
        id=int(chat["id"]),
        type=str(chat["type"]),
        username=chat.get("username"),
        linked_chat_id=chat.get("linked_chat_id"),
    )


def read_membership(member: Mapping[str, Any]) -> Membership:
    """From getChatMember; KeyError for a status we do not know."""
    if member["status"] == "restricted":
        return Membership.MEMBER if member["is_member"] else Membership.NOT_MEMBER
    return MEMBERSHIPS[member["status"]]


def read_forward(copy: Mapping[str, Any]) -> ForwardedMessage:
    """From forwardMessage: only an origin of kind "user" names a person by id."""
    origin = copy["forward_origin"]
    author = origin["sender_user"] if origin["type"] == "user" else {}
    human = author and not author.get("is_bot")
    return ForwardedMessage(
        copy_id=int(copy["message_id"]),
        author_id=int(author["id"]) if human else None,
        text_hash=hash_text(copy),
        prose_length=prose_length(copy),
        written_at=_moment(origin["date"]),
    )


def read_star_transactions(answer: Mapping[str, Any]) -> tuple[StarTransaction, ...]:
    """From getStarTransactions, oldest first."""
    return tuple(_transaction(row) for row in answer["transactions"])


def read_link(link: Any) -> str:
    """From createInvoiceLink."""
    if not isinstance(link, str) or not link.startswith(("https://", "http://")):
        raise ValueError("not a link")
    return link


def _transaction(row: Mapping[str, Any]) -> StarTransaction:
    partner = row.get("source") or row.get("receiver") or {}
    user = partner.get("user") or {}
    return StarTransaction(
        charge_id=str(row["id"]),
        amount=int(row["amount"]),
        incoming="source" in row,
        made_at=_moment(row["date"]),
        user_id=user.get("id"),
        payload=partner.get("invoice_payload"),
    )


def _moment(seconds: Any) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
