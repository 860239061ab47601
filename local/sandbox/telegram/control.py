"""Controls that Telegram does not have: create people and chats, post, pay, cause faults.

JSON in, JSON out, under /control/telegram. An unknown field is 400, so that a typo is noticed.
"""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, jsonify

from local.sandbox.control import body, refuse_invalid_requests
from local.sandbox.telegram.invoices import Invoices
from local.sandbox.telegram.people_control import serve_people
from local.sandbox.telegram.state import (
    ANONYMOUS_ADMIN,
    CHANNEL_BOT,
    SERVICE_ACCOUNT,
    Chat,
    State,
)
from local.sandbox.telegram.wire import Refusal

if TYPE_CHECKING:
    from local.sandbox.telegram import TelegramSandbox


def control_blueprint(sandbox: TelegramSandbox) -> Blueprint:
    """All control endpoints of one sandbox."""
    control = Blueprint("telegram_control", __name__)
    control.register_error_handler(Refusal, Refusal.response)
    refuse_invalid_requests(control)
    serve_people(control, sandbox)
    _chats(control, sandbox)
    _messages(control, sandbox)
    _payments(control, sandbox)
    _faults(control, sandbox)
    return control


def _chats(control: Blueprint, sandbox: TelegramSandbox) -> None:
    state = sandbox.state

    @control.put("/chats/<int(signed=True):chat_id>")
    def put_chat(chat_id: int) -> Response:
        with state.lock:
            state.chats[chat_id] = Chat(chat_id, **body())
        state.journal.add("chats", chat_id)
        return jsonify(state.chats[chat_id].as_dict())


def _messages(control: Blueprint, sandbox: TelegramSandbox) -> None:
    state = sandbox.state

    @control.post("/messages")
    def post_message() -> Response:
        wanted = body()
        chat = state.chats[wanted.pop("chat_id")]
        message = _store_message(state, chat, wanted)
        kind = "channel_post" if chat.type == "channel" else "message"
        update_id = sandbox.delivery.push(kind, message, queue=f"chat:{chat.id}")
        return jsonify({"update_id": update_id, "message": message})

    @control.patch("/messages")
    def edit_message() -> Response:
        wanted = body()
        chat = state.chats[wanted["chat_id"]]
        with state.lock:
            post = state.posts[chat.id, wanted["message_id"]]
            changed = {**post.body, "text": wanted["text"], "edit_date": int(time.time())}
            state.change_message(post, changed)
        kind = "edited_channel_post" if chat.type == "channel" else "edited_message"
        update_id = sandbox.delivery.push(kind, post.body, queue=f"chat:{chat.id}")
        return jsonify({"update_id": update_id, "message": post.body})


def _payments(control: Blueprint, sandbox: TelegramSandbox) -> None:
    @control.post("/pay")
    def pay() -> Response:
        """link, or chat_id and message_id of an invoice; decline: the payment fails at the end."""
        wanted = body()
        slug = _slug(sandbox.invoices, wanted)
        paid = sandbox.invoices.pay(
            slug, int(wanted["user_id"]), declined=bool(wanted.get("decline"))
        )
        return jsonify(
            {
                "status": paid.status,
                "telegram_payment_charge_id": paid.charge_id,
                "error_message": paid.message,
            }
        )

    @control.get("/invoices/<slug>")
    def read_invoice(slug: str) -> Response:
        """What a person sees before they pay."""
        if slug not in sandbox.invoices.links:
            raise Refusal(404, "no such invoice")
        return jsonify(asdict(sandbox.invoices.links[slug]))

    @control.put("/pre-checkout")
    def put_deadline() -> Response:
        sandbox.invoices.pre_checkout_seconds = float(body()["seconds"])
        return jsonify({"seconds": sandbox.invoices.pre_checkout_seconds})


def _slug(invoices: Invoices, wanted: dict[str, Any]) -> str:
    slug = (
        wanted["link"].rpartition("/")[2]
        if "link" in wanted
        else invoices.sent.get((wanted["chat_id"], wanted["message_id"]), "")
    )
    if slug not in invoices.links:
        raise Refusal(404, "no such invoice")
    return slug


def _faults(control: Blueprint, sandbox: TelegramSandbox) -> None:
    delivery = sandbox.delivery

    @control.post("/faults")
    def add_fault() -> Response:
        # The Bot API does not care about the case of method names.
        script = {"call": "*", **body()}
        script["call"] = script["call"].lower()
        return jsonify(asdict(sandbox.faults.add(**script)))

    @control.get("/faults")
    def show_faults() -> Response:
        return jsonify(sandbox.faults.state())

    @control.delete("/faults")
    def clear_faults() -> Response:
        sandbox.faults.clear()
        return jsonify({})

    @control.put("/pace")
    def put_pace() -> Response:
        delivery.pace = replace(delivery.pace, **body())
        delivery.resume()
        return jsonify(vars(delivery.pace))

    @control.get("/updates")
    def list_updates() -> Response:
        return jsonify(
            {
                "history": list(delivery.history),
                "pending": [update.id for update in delivery.pending()],
                "attempts": list(delivery.attempts),
            }
        )

    @control.post("/updates/<int:update_id>/redeliver")
    def redeliver(update_id: int) -> Response:
        if not delivery.redeliver(update_id):
            raise Refusal(404, "no such update, or no webhook is set")
        return jsonify({"redelivered": update_id})


def _store_message(state: State, chat: Chat, wanted: dict[str, Any]) -> dict[str, Any]:
    """Store a message by a person, an anonymous admin, a channel or Telegram itself.

    written_as: person (default), anonymous, channel, automatic; in a channel there is no author.
    """
    written_as = wanted.pop("written_as", "person")
    user_id = wanted.pop("user_id", None)
    flags = {key: bool(wanted.pop(key, False)) for key in ("protected", "service")}
    author = _author(state, chat, written_as, user_id)
    if flags["protected"]:
        wanted["has_protected_content"] = True
    return state.store_message(chat, {**author, **wanted}, **flags)


def _author(state: State, chat: Chat, written_as: str, user_id: int | None) -> dict[str, Any]:
    if chat.type == "channel":
        return {"sender_chat": chat.as_dict()}
    if written_as == "anonymous":
        sender = {"id": ANONYMOUS_ADMIN, "is_bot": True, "first_name": "Group"}
        return {"from": sender, "sender_chat": chat.as_dict()}
    linked = state.chats.get(chat.linked_chat_id or 0, Chat(-1009999999999, "channel", "Other"))
    if written_as == "channel":
        sender = {"id": CHANNEL_BOT, "is_bot": True, "first_name": "Channel"}
        return {"from": sender, "sender_chat": linked.as_dict()}
    if written_as == "automatic":
        sender = {"id": SERVICE_ACCOUNT, "is_bot": False, "first_name": "Telegram"}
        return {
            "from": sender,
            "sender_chat": linked.as_dict(),
            "is_automatic_forward": True,
        }
    if user_id is None:
        raise ValueError("user_id is needed for a message written by a person")
    return {"from": state.person(user_id).as_dict()}
