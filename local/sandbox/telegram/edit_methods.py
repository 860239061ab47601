"""Bot API methods that change or take back what the bot has sent."""

from __future__ import annotations

import time
from typing import Any

from local.sandbox.telegram.files import Files
from local.sandbox.telegram.limits import Limits
from local.sandbox.telegram.markup import inline_markup
from local.sandbox.telegram.media import media
from local.sandbox.telegram.send_methods import caption_fields, text_fields
from local.sandbox.telegram.state import Chat, Post, State
from local.sandbox.telegram.wire import Parameters, Refusal

TEXT = ("text", "entities", "link_preview_options")
CAPTION = ("caption", "caption_entities", "show_caption_above_media", "has_media_spoiler")
MEDIA = ("photo", "video", "animation", "document")
NOT_MODIFIED = (
    "Bad Request: message is not modified: specified new message content and reply markup are"
    " exactly the same as a current content and reply markup of the message"
)
AT_ONCE = 100


class EditMethods:
    """The methods by lower-cased name; each takes Parameters and returns the `result`."""

    def __init__(self, state: State, files: Files, limits: Limits) -> None:
        self._state = state
        self._files = files
        self._limits = limits
        self.table = {
            "editmessagetext": self.edit_text,
            "editmessagecaption": self.edit_caption,
            "editmessagemedia": self.edit_media,
            "editmessagereplymarkup": self.edit_reply_markup,
            "deletemessage": self.delete_message,
            "deletemessages": self.delete_messages,
        }

    def edit_text(self, parameters: Parameters) -> dict[str, Any]:
        """Another text; without reply_markup the buttons go."""
        chat, post = self._own_message(parameters)
        fields = text_fields(parameters)
        if "text" not in post.body:
            raise Refusal(400, "Bad Request: there is no text in the message to edit")
        return self._change(chat, post, parameters, TEXT, fields)

    def edit_caption(self, parameters: Parameters) -> dict[str, Any]:
        """Another caption, or none."""
        chat, post = self._own_message(parameters)
        if not any(kind in post.body for kind in MEDIA):
            raise Refusal(400, "Bad Request: there is no caption in the message to edit")
        return self._change(chat, post, parameters, CAPTION, caption_fields(parameters))

    def edit_media(self, parameters: Parameters) -> dict[str, Any]:
        """Another file with its caption."""
        chat, post = self._own_message(parameters)
        wanted = parameters.structure("media")
        if not isinstance(wanted, dict) or wanted.get("type") not in MEDIA:
            raise Refusal(400, "Bad Request: can't parse InputMedia: media type is unsupported")
        if "invoice" in post.body:
            raise Refusal(400, "Bad Request: message can't be edited")
        described = parameters.replaced(**wanted)
        fields = media(self._files, described, wanted["type"], "media").fields
        replaced = (*TEXT, *CAPTION, *MEDIA)
        return self._change(
            chat, post, parameters, replaced, {**fields, **caption_fields(described)}
        )

    def edit_reply_markup(self, parameters: Parameters) -> dict[str, Any]:
        """Other buttons, or none."""
        return self._change(*self._own_message(parameters), parameters, (), {})

    def delete_message(self, parameters: Parameters) -> bool:
        """True once; afterwards the message is not found."""
        chat = self._state.chat(parameters.chat_id())
        if not self._state.delete_message(chat.id, parameters.integer("message_id")):
            raise Refusal(400, "Bad Request: message to delete not found")
        return True

    def delete_messages(self, parameters: Parameters) -> bool:
        """True also where some of the 1-100 messages were not found."""
        chat = self._state.chat(parameters.chat_id())
        numbers = parameters.structure("message_ids")
        if not isinstance(numbers, list) or not numbers:
            raise Refusal(400, "Bad Request: message identifiers are not specified")
        if len(numbers) > AT_ONCE:
            raise Refusal(400, "Bad Request: too many messages specified")
        for number in numbers:
            self._state.delete_message(chat.id, int(number))
        return True

    def _own_message(self, parameters: Parameters) -> tuple[Chat, Post]:
        chat = self._state.writable_chat(parameters.chat_id())
        number = parameters.integer("message_id")
        if not number:
            raise Refusal(400, "Bad Request: message identifier is not specified")
        post = self._state.post(chat.id, number, "edit")
        author = post.body.get("from", self._state.bot())
        if author["id"] != self._state.bot_id or post.service:
            raise Refusal(400, "Bad Request: message can't be edited")
        return chat, post

    def _change(
        self,
        chat: Chat,
        post: Post,
        parameters: Parameters,
        replaced: tuple[str, ...],
        fields: dict[str, Any],
    ) -> dict[str, Any]:
        """Store the new content; 400 when nothing is new about it, which bots must expect."""
        markup = inline_markup(parameters)
        self._limits.count(chat)
        with self._state.lock:
            before = {name: value for name, value in post.body.items() if name != "edit_date"}
            kept = {
                name: value
                for name, value in before.items()
                if name not in (*replaced, "reply_markup")
            }
            after = kept | fields | ({"reply_markup": markup} if markup else {})
            if after == before:
                raise Refusal(400, NOT_MODIFIED)
            return self._state.change_message(post, after | {"edit_date": int(time.time())})
