"""The people and chats that a world begins with, from a JSON file or from code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.sandbox.telegram.state import Chat, Person, State


class WorldError(ValueError):
    """The file does not describe a world; the message says where."""


def furnish(state: State, world: Mapping[str, Any]) -> None:
    """Add people, chats and members.

    {"people": [{"id": 501, "first_name": "Анна", ...}],
     "chats": [{"id": -1001, "type": "channel", "title": "...", "username": "..."}],
     "members": [{"chat_id": -1001, "user_id": 501, "status": "member"}]}
    WorldError for an unknown field or one that is missing.
    """
    if unknown := world.keys() - {"people", "chats", "members"}:
        raise WorldError(f"unknown: {', '.join(sorted(unknown))}")
    try:
        with state.lock:
            state.people |= {row["id"]: Person(**row) for row in world.get("people", ())}
            state.chats |= {row["id"]: Chat(**row) for row in world.get("chats", ())}
            for row in world.get("members", ()):
                rest = {k: v for k, v in row.items() if k not in ("chat_id", "user_id")}
                state.members[row["chat_id"], row["user_id"]] = rest
    except (KeyError, TypeError) as error:
        raise WorldError(f"{type(error).__name__}: {error}") from error


def read(path: Path) -> dict[str, Any]:
    """The world in a file. WorldError when it is no JSON object."""
    try:
        world = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise WorldError(f"{path}: {error}") from error
    if not isinstance(world, dict):
        raise WorldError(f"{path}: a JSON object is needed")
    return world
