"""Controls of what people do, and of what they see, under /control/telegram."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, jsonify, request

from local.sandbox.control import body
from local.sandbox.telegram.callbacks import Query
from local.sandbox.telegram.state import Person
from local.sandbox.telegram.wire import Upload
from local.sandbox.telegram.world import furnish

if TYPE_CHECKING:
    from local.sandbox.telegram import TelegramSandbox

LONGEST_WAIT = 60.0
MESSAGES = 200


def serve_people(control: Blueprint, sandbox: TelegramSandbox) -> None:
    """All endpoints about people and chats."""
    _acts(control, sandbox)
    _persons(control, sandbox)
    _sights(control, sandbox)
    _counts(control, sandbox)


def _acts(control: Blueprint, sandbox: TelegramSandbox) -> None:
    people = sandbox.people

    @control.post("/users/<int:user_id>/say")
    def say(user_id: int) -> Response:
        """text, and chat_id, reply_to; or a form with files, kind, caption."""
        if not request.files:
            return jsonify(people.say(user_id, **body()))
        uploads = [
            Upload(part.read(), part.filename or "file", part.mimetype)
            for part in request.files.getlist("file")
        ]
        wanted: dict[str, Any] = dict(request.form)
        if "chat_id" in wanted:
            wanted["chat_id"] = int(wanted["chat_id"])
        return jsonify(people.send_files(user_id, uploads, **wanted))

    @control.post("/users/<int:user_id>/edit")
    def edit(user_id: int) -> Response:
        return jsonify(people.edit(user_id, **{"chat_id": user_id, **body()}))

    @control.post("/users/<int:user_id>/press")
    def press(user_id: int) -> Response:
        """label or data, and message_id, chat_id; wait: seconds for the bot's answer."""
        wanted = body()
        seconds = min(float(wanted.pop("wait", 0)), LONGEST_WAIT)
        pressed = people.press(user_id, **wanted)
        if not isinstance(pressed, Query):
            return jsonify({"query_id": None, "answer": None, "button": pressed})
        pressed.answered.wait(seconds)
        return jsonify({"query_id": pressed.id, "answer": pressed.answer, "button": None})

    @control.post("/users/<int:user_id>/<any(block, unblock):what>")
    def block(user_id: int, what: str) -> Response:
        people.block(user_id, blocked=what == "block")
        return jsonify({"blocked": what == "block"})


def _persons(control: Blueprint, sandbox: TelegramSandbox) -> None:
    state = sandbox.state

    @control.put("/users/<int:user_id>")
    def put_user(user_id: int) -> Response:
        """Whoever has written before still has."""
        with state.lock:
            known = state.people.get(user_id, Person(user_id))
            kept = {"started": known.started, "blocked": known.blocked}
            state.people[user_id] = Person(user_id, **kept | body())
        state.journal.add("people", user_id)
        return jsonify(state.people[user_id].as_dict())

    @control.post("/world")
    def add_to_world() -> Response:
        """People, chats and members as in a file."""
        furnish(state, body())
        state.journal.add("people", 0)
        return jsonify({})

    @control.put("/chats/<int(signed=True):chat_id>/members/<int:user_id>")
    def put_member(chat_id: int, user_id: int) -> Response:
        row = body()
        sandbox.people.become(chat_id, user_id, row)
        return jsonify(row)

    @control.post("/users/<int:user_id>/<any(join, leave):what>")
    def join(user_id: int, what: str) -> Response:
        """chat: its id or @name."""
        wanted = body()["chat"]
        chat = sandbox.state.chat(wanted)
        row = {"status": "member" if what == "join" else "left"}
        sandbox.people.become(chat.id, user_id, row)
        return jsonify(row)


def _sights(control: Blueprint, sandbox: TelegramSandbox) -> None:
    state, journal = sandbox.state, sandbox.state.journal

    @control.get("/chats/<int(signed=True):chat_id>/messages")
    def read_chat(chat_id: int) -> Response:
        """All that is to be seen; with after and wait, once something has happened after that."""
        waits = "after" in request.args
        entries = journal.after(_after(), chat_id, _seconds()) if waits else []
        with state.lock:
            last = _after() if waits else journal.last
            messages = state.messages(chat_id)[-request.args.get("limit", MESSAGES, type=int) :]
        return jsonify(
            {
                "last": entries[-1].number if entries else last,
                "messages": messages,
                "happened": [entry.as_dict() for entry in entries],
                "keyboard": state.keyboards.get(chat_id),
            }
        )

    @control.get("/journal")
    def read_journal() -> Response:
        """What happened in all chats after a number; wait: seconds for the first."""
        entries = journal.after(_after(), None, _seconds())
        last = entries[-1].number if entries else _after()
        happened = [entry.as_dict() for entry in entries]
        return jsonify({"last": last, "has_bot": sandbox.delivery.has_bot, "happened": happened})

    @control.get("/world")
    def read_world() -> Response:
        with state.lock:
            return jsonify(_world(sandbox))


def _world(sandbox: TelegramSandbox) -> dict[str, Any]:
    state = sandbox.state
    return {
        "last": state.journal.last,
        "bot": state.bot(),
        "has_bot": sandbox.delivery.has_bot,
        "people": [_shown(person) for person in state.people.values()],
        "chats": [chat.as_dict() for chat in state.chats.values()],
        "members": [
            {"chat_id": chat, "user_id": user, **row} for (chat, user), row in state.members.items()
        ],
        "commands": sandbox.profile.commands,
        "description": sandbox.profile.description,
    }


def _counts(control: Blueprint, sandbox: TelegramSandbox) -> None:
    @control.get("/calls")
    def count_calls() -> Response:
        """How often the bot has called each method."""
        return jsonify(dict(sandbox.calls))

    @control.delete("/calls")
    def forget_calls() -> Response:
        sandbox.calls.clear()
        return jsonify({})

    @control.put("/limits")
    def change_limits() -> Response:
        return jsonify(vars(sandbox.limits.change(**body())))


def _shown(person: Person) -> dict[str, Any]:
    return person.as_dict() | {"started": person.started, "blocked": person.blocked}


def _after() -> int:
    return request.args.get("after", 0, type=int)


def _seconds() -> float:
    return min(request.args.get("wait", 0.0, type=float), LONGEST_WAIT)
