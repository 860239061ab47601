"""Pressed buttons: the query that the bot gets, and its one answer."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from local.sandbox.telegram.delivery import Delivery
from local.sandbox.telegram.entities import units
from local.sandbox.telegram.state import State
from local.sandbox.telegram.wire import Parameters, Refusal

# How long a query may be answered is not published; minutes, says experience.
ANSWER_SECONDS = 300
TEXT_UNITS = 200
TOO_OLD = "Bad Request: query is too old and response timeout expired or query ID is invalid"


@dataclass
class Query:
    """One press of a button; `answer` is what the person saw, once the bot has answered."""

    id: str
    user_id: int
    chat_id: int
    pressed_at: float
    answered: threading.Event = field(default_factory=threading.Event)
    answer: dict[str, Any] | None = None


class Callbacks:
    """All pressed buttons of one bot's world."""

    def __init__(self, state: State, delivery: Delivery) -> None:
        self._state = state
        self._delivery = delivery
        self._queries: dict[str, Query] = {}

    def press(self, user_id: int, message: dict[str, Any], data: str) -> Query:
        """Tell the bot that a person pressed a button of this message."""
        chat_id = message["chat"]["id"]
        query = Query(str(secrets.randbits(62)), user_id, chat_id, time.monotonic())
        with self._state.lock:
            self._queries[query.id] = query
        self._delivery.push(
            "callback_query",
            {
                "id": query.id,
                "from": self._state.person(user_id).as_author(),
                "message": message,
                "chat_instance": str(abs(hash((self._state.bot_id, chat_id)))),
                "data": data,
            },
            queue=f"chat:{chat_id}",
        )
        return query

    def answer(self, parameters: Parameters) -> bool:
        """answerCallbackQuery: once, and not after minutes."""
        number = parameters.text("callback_query_id", "")
        text = parameters.text("text", "")
        if units(text) > TEXT_UNITS:
            raise Refusal(400, "Bad Request: MESSAGE_TOO_LONG")
        with self._state.lock:
            query = self._queries.pop(number, None)
            if query is None or time.monotonic() - query.pressed_at > ANSWER_SECONDS:
                raise Refusal(400, TOO_OLD)
            query.answer = {"text": text, "alert": parameters.flag("show_alert")}
            if url := parameters.text("url", ""):
                query.answer["url"] = url
            query.answered.set()
        self._state.journal.add(
            "answer", query.chat_id, user_id=query.user_id, query_id=query.id, **query.answer
        )
        return True
