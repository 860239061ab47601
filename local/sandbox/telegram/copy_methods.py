"""Bot API methods that repeat messages, as a forward or as the bot's own, and that send albums."""

from __future__ import annotations

import secrets
from typing import Any

from local.sandbox.telegram.edit_methods import CAPTION, MEDIA, TEXT
from local.sandbox.telegram.files import Files
from local.sandbox.telegram.media import media
from local.sandbox.telegram.send_methods import SendMethods, caption_fields
from local.sandbox.telegram.state import Chat, Post, State
from local.sandbox.telegram.wire import Parameters, Refusal

CONTENT = (*TEXT, *CAPTION, *MEDIA)
ALBUM_KINDS = ("photo", "video", "document")


class CopyMethods:
    """The methods by lower-cased name; each takes Parameters and returns the `result`."""

    def __init__(self, state: State, files: Files, sending: SendMethods) -> None:
        self._state = state
        self._files = files
        self._sending = sending
        self.table = {
            "forwardmessage": self.forward_message,
            "copymessage": self.copy_message,
            "sendmediagroup": self.send_media_group,
        }

    def forward_message(self, parameters: Parameters) -> dict[str, Any]:
        """The forwarded copy with its forward_origin; protected and service messages refuse."""
        target = self._state.writable_chat(parameters.chat_id())
        source, post = self._source(parameters, "forward")
        origin = {"forward_origin": self._origin(source, post)}
        return self._sending.post(
            target, parameters.replaced(reply_markup=None), {**origin, **_content(post)}
        )

    def copy_message(self, parameters: Parameters) -> dict[str, Any]:
        """The id of a message of the bot's own with the same content, or another caption."""
        target = self._state.writable_chat(parameters.chat_id())
        _, post = self._source(parameters, "copy")
        fields = _content(post)
        if not fields:
            raise Refusal(400, "Bad Request: the message can't be copied")
        if parameters.text("caption", "") and "text" not in fields:
            fields = {k: v for k, v in fields.items() if k not in CAPTION}
            fields |= caption_fields(parameters)
        return {"message_id": self._sending.post(target, parameters, fields)["message_id"]}

    def send_media_group(self, parameters: Parameters) -> list[dict[str, Any]]:
        """2-10 files as one album: photos and videos, or documents among themselves."""
        chat = self._state.writable_chat(parameters.chat_id())
        listed = parameters.structure("media")
        if not isinstance(listed, list):
            raise Refusal(400, "Bad Request: can't parse media JSON object")
        if not 2 <= len(listed) <= 10:
            raise Refusal(400, "Bad Request: wrong number of messages specified: 2-10 needed")
        kinds = {each.get("type") for each in listed if isinstance(each, dict)}
        if not kinds <= set(ALBUM_KINDS) or ("document" in kinds and len(kinds) > 1):
            raise Refusal(400, "Bad Request: can't use the media type in the album")
        contents = []
        for each in listed:
            described = parameters.replaced(**each)
            fields = media(self._files, described, each["type"], "media").fields
            contents.append(fields | caption_fields(described))
        group = {"media_group_id": str(secrets.randbits(62))}
        shared = parameters.replaced(reply_markup=None)
        return [self._sending.post(chat, shared, content | group) for content in contents]

    def _source(self, parameters: Parameters, action: str) -> tuple[Chat, Post]:
        source = self._state.chat(parameters.chat_id("from_chat_id"))
        post = self._state.post(source.id, parameters.integer("message_id"), action)
        if source.protected:
            raise Refusal(400, "Bad Request: CHAT_FORWARDS_RESTRICTED")
        if post.protected or post.service:
            done = {"forward": "forwarded", "copy": "copied"}[action]
            raise Refusal(400, f"Bad Request: the message can't be {done}")
        return source, post

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


def _content(post: Post) -> dict[str, Any]:
    return {name: post.body[name] for name in CONTENT if name in post.body}
