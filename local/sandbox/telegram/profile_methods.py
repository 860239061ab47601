"""Bot API methods about what people see of the bot: commands, menu button, descriptions."""

from __future__ import annotations

import json
import re
from typing import Any

from local.sandbox.telegram.entities import units
from local.sandbox.telegram.state import State
from local.sandbox.telegram.wire import Parameters, Refusal

COMMANDS = 100
COMMAND_UNITS = 256
TEXTS = {  # parameter: its method's name, its longest text
    "name": ("myname", 64),
    "description": ("mydescription", 512),
    "short_description": ("myshortdescription", 120),
}


class ProfileMethods:
    """The methods by lower-cased name; each takes Parameters and returns the `result`."""

    def __init__(self, state: State) -> None:
        self._state = state
        # By scope and language, as they were set.
        self._commands: dict[tuple[str, str], list[dict[str, str]]] = {}
        self._texts: dict[tuple[str, str], str] = {}
        self._menus: dict[int, dict[str, Any]] = {}
        self.table: dict[str, Any] = {
            "setmycommands": self.set_commands,
            "getmycommands": self.get_commands,
            "deletemycommands": self.delete_commands,
            "setchatmenubutton": self.set_menu_button,
            "getchatmenubutton": self.get_menu_button,
        }
        for parameter, (method, longest) in TEXTS.items():
            self.table[f"set{method}"] = self._setter(parameter, longest)
            self.table[f"get{method}"] = self._getter(parameter)

    @property
    def commands(self) -> list[dict[str, str]]:
        """Those that a person in a private chat is shown."""
        for kind in ("all_private_chats", "default"):
            if found := self._commands.get((json.dumps({"type": kind}), "")):
                return found
        return []

    @property
    def description(self) -> str:
        """What a person sees before the first message."""
        return self._texts.get(("description", ""), "")

    def set_commands(self, parameters: Parameters) -> bool:
        """Replace the commands of a scope and language."""
        listed = parameters.structure("commands") or []
        if not isinstance(listed, list) or len(listed) > COMMANDS:
            raise Refusal(400, "Bad Request: BOT_COMMANDS_TOO_MUCH")
        commands = [_command(each) for each in listed]
        with self._state.lock:
            self._commands[_scope(parameters)] = commands
        self._state.journal.add("commands", 0, commands=self.commands)
        return True

    def get_commands(self, parameters: Parameters) -> list[dict[str, str]]:
        """The commands of exactly this scope and language."""
        with self._state.lock:
            return self._commands.get(_scope(parameters), [])

    def delete_commands(self, parameters: Parameters) -> bool:
        """True also where there were none."""
        with self._state.lock:
            self._commands.pop(_scope(parameters), None)
        return True

    def set_menu_button(self, parameters: Parameters) -> bool:
        """The button beside the input: of one chat, or of all (chat 0)."""
        button = parameters.structure("menu_button") or {"type": "default"}
        if not isinstance(button, dict) or button.get("type") not in (
            "default",
            "commands",
            "web_app",
        ):
            raise Refusal(400, "Bad Request: MenuButton has unsupported type")
        self._menus[parameters.integer("chat_id")] = button
        return True

    def get_menu_button(self, parameters: Parameters) -> dict[str, Any]:
        """As it was set, for the chat or for all."""
        default = self._menus.get(0, {"type": "default"})
        return self._menus.get(parameters.integer("chat_id"), default)

    def _setter(self, parameter: str, longest: int) -> Any:
        def set_text(parameters: Parameters) -> bool:
            text = parameters.text(parameter, "")
            if units(text) > longest:
                raise Refusal(400, f"Bad Request: BOT_{parameter.upper()}_TOO_LONG")
            self._texts[parameter, parameters.text("language_code", "")] = text
            return True

        return set_text

    def _getter(self, parameter: str) -> Any:
        def get_text(parameters: Parameters) -> dict[str, str]:
            key = parameter, parameters.text("language_code", "")
            return {parameter: self._texts.get(key, "")}

        return get_text


def _scope(parameters: Parameters) -> tuple[str, str]:
    scope = parameters.structure("scope") or {"type": "default"}
    return json.dumps(scope, sort_keys=True), parameters.text("language_code", "")


def _command(given: Any) -> dict[str, str]:
    name = str(given.get("command", "")).removeprefix("/") if isinstance(given, dict) else ""
    if not re.fullmatch(r"[a-z0-9_]{1,32}", name):
        raise Refusal(400, "Bad Request: BOT_COMMAND_INVALID")
    text = str(given.get("description", "")).strip()
    if not 1 <= units(text) <= COMMAND_UNITS:
        raise Refusal(400, "Bad Request: BOT_COMMAND_DESCRIPTION_INVALID")
    return {"command": name, "description": text}
