"""The Bot API methods this product needs, typed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from providers.telegram.answers import (
    ChatFacts,
    ForwardedMessage,
    Membership,
    StarTransaction,
    read_chat,
    read_forward,
    read_link,
    read_membership,
    read_star_transactions,
)
from providers.telegram.calls import ORDINARY, URGENT, BotCalls, Clock
from providers.telegram.links import MessageRef
from providers.telegram.refusals import Meaning, TelegramError

# Somebody who has joined may leave: cache "member" for this long, "not member" never.
MEMBER_SECONDS = 60.0
MEMBERS_KEPT = 10_000

T = TypeVar("T")


class TelegramBot:
    """Typed Bot API. Every method raises TelegramError, an ApiError, when Telegram gives no answer.

    base_url: https://api.telegram.org or a sandbox. Safe to share between threads.
    """

    def __init__(self, base_url: str, token: str, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._calls = BotCalls(base_url, token, clock=self._clock, haste=ORDINARY)
        self._urgent_calls = BotCalls(base_url, token, clock=self._clock, haste=URGENT)
        self._lock = threading.Lock()
        self._members: dict[tuple[str, int], float] = {}
        self._moved: dict[str, int] = {}

    def webhook_url(self) -> str:
        """Where Telegram posts the bot's updates; empty when it waits to be asked for them."""
        return self._calls.call("getWebhookInfo", {}, read=lambda found: str(found["url"]))

    def get_chat(self, chat: int | str) -> ChatFacts:
        """Id, kind and discussion group of a chat named by id or @name."""
        return self._in_chat("getChat", {"chat_id": chat}, read=read_chat)

    def get_chat_member(self, chat: int | str, user_id: int) -> Membership:
        """Whether a user is in a chat now, or was within the last 60 s.

        Reliable only where the bot is an administrator. Raises TelegramError when it is not, when
        the chat does not exist (channel_not_eligible) and when Telegram does not answer.
        """
        key = (str(chat).lower(), user_id)
        if self._known_member(key):
            return Membership.MEMBER
        parameters = {"chat_id": chat, "user_id": user_id}
        try:
            found = self._in_chat("getChatMember", parameters, read=read_membership)
        except TelegramError as error:
            if error.meaning is Meaning.ABSENT:
                return Membership.NOT_MEMBER
            raise
        if found is Membership.MEMBER:
            self._remember_member(key)
        return found

    def locate(self, ref: MessageRef, *, chat: int | str) -> tuple[int, int] | None:
        """Numeric chat id and message id of a link into `chat`; None for a link elsewhere.

        A comment on a channel's post is in the group linked to the channel. Only `chat` and its
        channel are queried, never what the link names: bots are refused in most chats of the
        world, which must neither alarm the operator nor cost a customer a 503.
        """
        if ref.comment_id is None and ref.chat == chat and isinstance(chat, int):
            return chat, ref.message_id
        ours = self.get_chat(chat)
        if ref.comment_id is None:
            return (ours.id, ref.message_id) if ours.is_named(ref.chat) else None
        if ours.linked_chat_id is None or not self._is_channel(ref.chat, ours.linked_chat_id):
            return None
        return ours.id, ref.comment_id

    def forward_message(
        self, chat: int | str, message_id: int, *, to_chat: int | str
    ) -> ForwardedMessage | None:
        """Forward a message silently to `to_chat`; None when it is gone or protected.

        A forward of a forward names the original author, not the person who forwarded it.
        """
        parameters = {
            "chat_id": to_chat,
            "from_chat_id": chat,
            "message_id": message_id,
            "disable_notification": True,
        }
        try:
            return self._in_chat("forwardMessage", parameters, read=read_forward, repeatable=False)
        except TelegramError as error:
            if error.meaning is Meaning.NO_MESSAGE:
                return None
            raise

    def prove_author(
        self, chat: int | str, message_id: int, *, log_chat: int | str
    ) -> ForwardedMessage | None:
        """Who wrote a message, found by forwarding it to a private chat and deleting the copy.

        None when there is no such message. A copy that cannot be deleted is left behind.
        """
        proof = self.forward_message(chat, message_id, to_chat=log_chat)
        if proof is not None:
            # The call has logged its failure; the proof holds without the clean-up.
            with contextlib.suppress(TelegramError):
                self.delete_message(log_chat, proof.copy_id)
        return proof

    def delete_message(self, chat: int | str, message_id: int) -> bool:
        """Delete a message; False when it was already gone."""
        parameters = {"chat_id": chat, "message_id": message_id}
        try:
            return self._in_chat("deleteMessage", parameters, read=bool)
        except TelegramError as error:
            if error.meaning is Meaning.NO_MESSAGE:
                return False
            raise

    def answer_pre_checkout_query(
        self, query_id: str, *, ok: bool, error_message: str = ""
    ) -> bool:
        """Let a payment proceed, or stop it with a text for the payer. Takes 7 s at most.

        False when Telegram no longer waits: answered before, or too late. True proves no payment.
        """
        parameters: dict[str, Any] = {"pre_checkout_query_id": query_id, "ok": ok}
        if not ok:
            parameters["error_message"] = error_message
        try:
            return self._urgent_calls.call(
                "answerPreCheckoutQuery",
                parameters,
                read=bool,
            )
        except TelegramError as error:
            if error.meaning is Meaning.TOO_LATE:
                return False
            raise

    def create_invoice_link(
        self,
        title: str,
        description: str,
        *,
        payload: str,
        currency: str,
        amount: int,
        provider_token: str = "",
    ) -> str:
        """A link that anybody can pay any number of times; `amount` in stars or kopecks.

        title 1-32 and description 1-255 characters, payload 1-128 bytes. A repeated call creates
        another link with the same payload, which does no harm: pre-checkout is the safeguard.
        """
        parameters = {
            "title": title,
            "description": description,
            "payload": payload,
            "currency": currency,
            "provider_token": provider_token,
            "prices": [{"label": title, "amount": amount}],
        }
        return self._calls.call("createInvoiceLink", parameters, read=read_link)

    def refund_star_payment(self, user_id: int, charge_id: str) -> bool:
        """Return all Stars of a charge; False when that had been done before."""
        parameters = {"user_id": user_id, "telegram_payment_charge_id": charge_id}
        try:
            return self._calls.call("refundStarPayment", parameters, read=bool)
        except TelegramError as error:
            if error.meaning is Meaning.REPEATED:
                return False
            raise

    def get_star_transactions(self, offset: int, limit: int = 100) -> tuple[StarTransaction, ...]:
        """Up to 100 movements of Stars, oldest first; `offset` counts from the oldest ever."""
        return self._calls.call(
            "getStarTransactions",
            {"offset": offset, "limit": limit},
            read=read_star_transactions,
        )

    def _in_chat(
        self,
        method: str,
        parameters: Mapping[str, Any],
        *,
        read: Callable[[Any], T],
        repeatable: bool = True,
    ) -> T:
        """Call a method with chat_id, following a group that became a supergroup."""
        chat = parameters["chat_id"]
        current = self._moved.get(str(chat), chat)
        try:
            return self._calls.call(
                method, {**parameters, "chat_id": current}, read=read, repeatable=repeatable
            )
        except TelegramError as error:
            if error.migrate_to is None or error.migrate_to == current:
                raise
            self._moved[str(chat)] = error.migrate_to
            moved = {**parameters, "chat_id": error.migrate_to}
        return self._calls.call(method, moved, read=read, repeatable=repeatable)

    def _is_channel(self, named: int | str, channel_id: int) -> bool:
        """Whether a link names the channel with this id; asks for its @name if need be."""
        if isinstance(named, int):
            return named == channel_id
        return self.get_chat(channel_id).is_named(named)

    def _known_member(self, key: tuple[str, int]) -> bool:
        with self._lock:
            return self._members.get(key, 0) > self._clock.now()

    def _remember_member(self, key: tuple[str, int]) -> None:
        with self._lock:
            if len(self._members) >= MEMBERS_KEPT:
                self._members.clear()
            self._members[key] = self._clock.now() + MEMBER_SECONDS
