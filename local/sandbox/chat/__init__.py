"""A page that looks and works like a messenger: the people of the sandbox talk to the bot.

Everything it does goes through the controls under /control/telegram; here are only the page itself
and the files that people see in it.
"""

from __future__ import annotations

import io
from pathlib import Path

from flask import Blueprint, Response, abort, render_template, request, send_file, url_for

from local.sandbox.chat.icons import ICONS
from local.sandbox.telegram import TelegramSandbox

FOLDER = Path(__file__).parent
SAMPLES = FOLDER.parents[1] / "samples"
# Photos that a visitor can send without having one at hand.
OFFERED = {
    "portrait.jpg": "Портрет",
    "damaged_sepia_portrait.jpg": "Повреждённый портрет",
    "two_faces.jpg": "Двое",
    "man_profile_bw.jpg": "Мужчина в профиль",
    "damaged_faded_portrait.jpg": "Выцветший портрет",
    "no_face_cat.jpg": "Кошка",
    "portrait.heic": "Портрет с айфона, HEIC",
    "bad_truncated.jpg": "Повреждённый файл",
}
# Shown in the page; anything else that people sent is downloaded, never opened as a page.
SHOWN = ("image/jpeg", "image/png", "image/gif", "image/webp", "video/mp4")
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "media-src 'self'",
        "connect-src 'self'",
        "frame-src 'self'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)


def chat_blueprint(sandbox: TelegramSandbox) -> Blueprint:
    """The page at "", its scripts and styles, /files/<file_id> and /samples/<name>."""
    chat = Blueprint(
        "chat", __name__, template_folder=".", static_folder="static", static_url_path="/static"
    )
    _serve_page(chat)
    _serve_files(chat, sandbox)

    @chat.after_request
    def protect(answer: Response) -> Response:
        answer.headers["Content-Security-Policy"] = POLICY
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Referrer-Policy"] = "no-referrer"
        return answer

    return chat


def _serve_page(chat: Blueprint) -> None:
    @chat.get("")
    def show_page() -> str:
        samples = [
            # No browser but Safari shows HEIC.
            {
                "url": url_for("chat.show_sample", name=name),
                "title": title,
                "seen": not name.endswith(".heic"),
            }
            for name, title in OFFERED.items()
        ]
        api = f"{request.url_root}telegram"
        return render_template("page.html", icons=ICONS, samples=samples, api=api)

    @chat.get("/samples/<name>")
    def show_sample(name: str) -> Response:
        return send_file(SAMPLES / (name if name in OFFERED else abort(404)), max_age=86_400)


def _serve_files(chat: Blueprint, sandbox: TelegramSandbox) -> None:
    @chat.get("/files/<file_id>")
    def show_file(file_id: str) -> Response:
        stored = sandbox.files.find(file_id) or abort(404)
        shown = stored.mime_type in SHOWN
        return send_file(
            io.BytesIO(stored.content),
            mimetype=stored.mime_type if shown else "application/octet-stream",
            as_attachment=not shown,
            download_name=stored.attributes.get("file_name", "photo.jpg"),
            max_age=86_400,
        )
