"""Bot API methods that send: texts, pictures, clips, files, and what the bot is doing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from local.sandbox.telegram.entities import formatted, units
from local.sandbox.telegram.files import Files
from local.sandbox.telegram.limits import Limits
from local.sandbox.telegram.markup import reply_markup
from local.sandbox.telegram.media import media
from local.sandbox.telegram.state import Chat, State
from local.sandbox.telegram.wire import Parameters, Refusal

TEXT_UNITS = 4096
CAPTION_UNITS = 1024
CHAT_ACTIONS = (
    *("typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice"),
    *("upload_document", "choose_sticker", "find_location", "record_video_note"),
    "upload_video_note",
)


class SendMethods:
    """The methods by lower-cased name; each takes Parameters and returns the `result`."""

    def __init__(self, state: State, files: Files, limits: Limits) -> None:
        self._state = state
        self._files = files
        self._limits = limits
        self.table: dict[str, Callable[[Parameters], Any]] = {
            "sendmessage": self.send_message,
            "sendchataction": self.send_chat_action,
            **{
                f"send{kind}": self._sender(kind)
                for kind in ("photo", "video", "animation", "document")
            },
        }

    def send_message(self, parameters: Parameters) -> dict[str, Any]:
        """A text message of 1-4096 characters from the bot."""
        chat = self._state.writable_chat(parameters.chat_id())
        return self.post(chat, parameters, text_fields(parameters))

    def send_chat_action(self, parameters: Parameters) -> bool:
        """What the bot is doing; seen for five seconds or until its next message."""
        chat = self._state.writable_chat(parameters.chat_id())
        action = parameters.text("action", "").lower()
        if action not in CHAT_ACTIONS:
            raise Refusal(400, "Bad Request: wrong parameter action in request")
        self._limits.count(chat)
        self._state.journal.add("action", chat.id, action=action)
        return True

    def post(self, chat: Chat, parameters: Parameters, fields: dict[str, Any]) -> dict[str, Any]:
        """Send `fields` as a message of the bot, with the parameters that all messages share."""
        markup = reply_markup(parameters)
        body = {"from": self._state.bot(), **self._reply(chat, parameters), **fields}
        if chat.type == "channel":
            body = body | {"sender_chat": chat.as_dict()}
            del body["from"]
        if markup and "inline_keyboard" in markup:
            body["reply_markup"] = markup
        if parameters.flag("protect_content"):
            body["has_protected_content"] = True
        self._limits.count(chat)
        with self._state.lock:
            message = self._state.store_message(
                chat, body, protected=parameters.flag("protect_content")
            )
            if markup and "inline_keyboard" not in markup:
                self._state.keyboards[chat.id] = markup
                self._state.journal.add("keyboard", chat.id, keyboard=markup)
        return message

    def _sender(self, kind: str) -> Callable[[Parameters], dict[str, Any]]:
        def send(parameters: Parameters) -> dict[str, Any]:
            chat = self._state.writable_chat(parameters.chat_id())
            caption = caption_fields(parameters)
            fields = media(self._files, parameters, kind).fields
            return self.post(chat, parameters, {**fields, **caption})

        return send

    def _reply(self, chat: Chat, parameters: Parameters) -> dict[str, Any]:
        wanted = parameters.structure("reply_parameters") or {
            "message_id": parameters.integer("reply_to_message_id"),
            "allow_sending_without_reply": parameters.flag("allow_sending_without_reply"),
        }
        number = wanted.get("message_id")
        if not number:
            return {}
        with self._state.lock:
            original = self._state.posts.get((chat.id, int(number)))
        if original is not None:
            shown = {k: v for k, v in original.body.items() if k != "reply_to_message"}
            return {"reply_to_message": shown}
        if wanted.get("allow_sending_without_reply"):
            return {}
        raise Refusal(400, "Bad Request: message to be replied not found")


def text_fields(parameters: Parameters) -> dict[str, Any]:
    """text, entities and link_preview_options of a message that is sent or edited."""
    text, entities = formatted(parameters)
    if not text:
        raise Refusal(400, "Bad Request: message text is empty")
    if units(text) > TEXT_UNITS:
        raise Refusal(400, "Bad Request: message is too long")
    fields: dict[str, Any] = {"text": text}
    if entities:
        fields["entities"] = entities
    preview = parameters.structure("link_preview_options")
    if isinstance(preview, dict):
        fields["link_preview_options"] = preview
    return fields


def caption_fields(parameters: Parameters) -> dict[str, Any]:
    """caption and what belongs to it, {} without one."""
    caption, entities = formatted(parameters, "caption", entities="caption_entities")
    if units(caption) > CAPTION_UNITS:
        raise Refusal(400, "Bad Request: message caption is too long")
    fields: dict[str, Any] = {"caption": caption} if caption else {}
    if entities:
        fields["caption_entities"] = entities
    for name, shown in (
        ("show_caption_above_media", "show_caption_above_media"),
        ("has_spoiler", "has_media_spoiler"),
    ):
        if parameters.flag(name):
            fields[shown] = True
    return fields
