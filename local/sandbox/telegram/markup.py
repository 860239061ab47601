"""reply_markup: keyboards under a message and instead of the keyboard, checked as Telegram does."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from local.sandbox.telegram.entities import units
from local.sandbox.telegram.wire import Parameters, Refusal

DATA_BYTES = 64
# What an inline button may do; each has exactly one of them.
ACTIONS = (
    "callback_data",
    "url",
    "web_app",
    "login_url",
    "switch_inline_query",
    "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat",
    "copy_text",
    "callback_game",
    "pay",
)
ELSEWHERE = ("keyboard", "remove_keyboard", "force_reply")


def reply_markup(parameters: Parameters) -> dict[str, Any] | None:
    """The checked keyboard of a message that is sent, None without one."""
    markup = parameters.structure("reply_markup")
    if markup is None:
        return None
    if not isinstance(markup, dict):
        raise Refusal(400, "Bad Request: object expected as reply markup")
    if "inline_keyboard" in markup:
        return inline_keyboard(markup)
    if not any(name in markup for name in ELSEWHERE):
        return None
    if "keyboard" in markup:
        rows = _rows(markup["keyboard"])
        buttons = [[{"text": b} if isinstance(b, str) else b for b in row] for row in rows]
        for button in (b for row in buttons for b in row):
            _text(button)
        return markup | {"keyboard": buttons}
    return markup


def inline_markup(parameters: Parameters) -> dict[str, Any] | None:
    """The same for an edit, which knows inline keyboards only; {} takes the keyboard away."""
    markup = reply_markup(parameters)
    if markup and "inline_keyboard" not in markup:
        raise Refusal(400, "Bad Request: inline keyboard expected")
    return markup


def inline_keyboard(markup: dict[str, Any]) -> dict[str, Any] | None:
    """Rows of buttons without empty rows; None when nothing is left."""
    rows = [[_button(button) for button in row] for row in _rows(markup["inline_keyboard"]) if row]
    return {"inline_keyboard": rows} if rows else None


def _rows(rows: Any) -> list[list[Any]]:
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise Refusal(400, "Bad Request: can't parse keyboard button: expected an array of arrays")
    return rows


def _text(button: Any) -> str:
    if not isinstance(button, dict):
        raise Refusal(400, "Bad Request: can't parse keyboard button: expected an object")
    text = button.get("text")
    if not isinstance(text, str) or not text.strip():
        raise Refusal(
            400, 'Bad Request: can\'t parse keyboard button: field "text" must be non-empty'
        )
    return text


def _button(button: Any) -> dict[str, Any]:
    _text(button)
    known = {name: value for name, value in button.items() if value is not None}
    actions = [name for name in ACTIONS if name in known]
    if len(actions) != 1:
        raise Refusal(
            400, "Bad Request: can't parse inline keyboard button: text buttons are unallowed"
        )
    if "callback_data" in known:
        data = known["callback_data"]
        if not isinstance(data, str) or not 1 <= len(data.encode()) <= DATA_BYTES:
            raise Refusal(400, "Bad Request: BUTTON_DATA_INVALID")
    if "url" in known:
        _check_url(known["url"])
    if "copy_text" in known and units(str(known["copy_text"].get("text", ""))) > 256:
        raise Refusal(400, "Bad Request: BUTTON_COPY_TEXT_INVALID")
    return known


def _check_url(url: Any) -> None:
    parts = urlsplit(url if isinstance(url, str) else "")
    if parts.scheme not in ("http", "https", "tg") or not parts.netloc or " " in str(url):
        raise Refusal(
            400, f"Bad Request: inline keyboard button URL '{url}' is invalid: Wrong HTTP URL"
        )
