"""A page that looks and works like a messenger: the people of the sandbox talk to the bot.

Everything it does goes through the controls under /control/telegram; here are only the page itself
and the files that people see in it.
"""

from __future__ import annotations

import io

from flask import Blueprint, Response, abort, send_file

from local.sandbox.telegram import TelegramSandbox

# Shown in the page; anything else that people sent is downloaded, never opened as a page.
SHOWN = ("image/jpeg", "image/png", "image/gif", "image/webp", "video/mp4")


def chat_blueprint(sandbox: TelegramSandbox) -> Blueprint:
    """GET /files/<file_id>: the content of a file, with ranges, as a player needs them."""
    chat = Blueprint("chat", __name__)

    @chat.get("/files/<file_id>")
    def show_file(file_id: str) -> Response:
        stored = sandbox.files.find(file_id) or abort(404)
        shown = stored.mime_type in SHOWN
        answer = send_file(
            io.BytesIO(stored.content),
            mimetype=stored.mime_type if shown else "application/octet-stream",
            as_attachment=not shown,
            download_name=stored.attributes.get("file_name", "photo.jpg"),
            max_age=86_400,
        )
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer

    return chat
