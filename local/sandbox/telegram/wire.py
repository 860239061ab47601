"""The Bot API's outer shape: parameters in, {"ok": ...} out. Nothing about any single method."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Request, Response, jsonify


class Refusal(Exception):
    """An error answer; the HTTP status is the error_code."""

    def __init__(
        self, code: int, description: str, parameters: dict[str, Any] | None = None
    ) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters or {}

    def response(self) -> Response:
        """The answer on the wire; 429 repeats its retry_after as the Retry-After header."""
        body: dict[str, Any] = {
            "ok": False,
            "error_code": self.code,
            "description": self.description,
        }
        if self.parameters:
            body["parameters"] = self.parameters
        answer = jsonify(body)
        answer.status_code = self.code
        if "retry_after" in self.parameters:
            answer.headers["Retry-After"] = str(self.parameters["retry_after"])
        return answer


@dataclass(frozen=True)
class Upload:
    """A file that came with a call; name and type are what the sender claims."""

    content: bytes
    name: str
    mime_type: str


class Parameters:
    """Parameters of one call, whichever of the four encodings carried them.

    A form sends every value as text and nested values as JSON text; a JSON body sends them typed.
    Files come with a form only, under a parameter's name or under one that it attaches.
    """

    def __init__(self, values: Mapping[str, Any], uploads: Mapping[str, Upload] | None = None):
        self._values = values
        self._uploads = uploads or {}

    @classmethod
    def of(cls, request: Request) -> Parameters:
        """Read the query string, the form or the JSON body of `request`."""
        values: dict[str, Any] = dict(request.args)
        if request.mimetype == "application/json":
            body = request.get_json(silent=True)
            if not isinstance(body, dict):
                raise Refusal(400, "Bad Request: can't parse JSON object")
            values.update(body)
        else:
            values.update(request.form)
        uploads = {
            name: Upload(part.read(), part.filename or name, part.mimetype)
            for name, part in request.files.items()
        }
        return cls(values, uploads)

    def given(self, *names: str) -> dict[str, str]:
        """Those of the named parameters that came, as text."""
        return {name: found for name in names if (found := self.text(name, ""))}

    def replaced(self, **values: Any) -> Parameters:
        """The same call with some parameters changed, its files still attached."""
        return Parameters({**self._values, **values}, self._uploads)

    def upload(self, name: str) -> Upload | None:
        """The file sent as this parameter itself."""
        return self._uploads.get(name)

    def attached(self, reference: str) -> Upload | None:
        """The file that attach://<name> means."""
        scheme, _, name = reference.partition("://")
        return self._uploads.get(name) if scheme == "attach" else None

    def text(self, name: str, default: str | None = None) -> str:
        """A string; without a default the parameter is required."""
        value = self._values.get(name)
        if value is None or value == "":
            if default is None:
                raise Refusal(400, f'Bad Request: parameter "{name}" is required')
            return default
        return value if isinstance(value, str) else json.dumps(value)

    def integer(self, name: str, default: int = 0) -> int:
        """A whole number; anything else counts as the default, as on the real server."""
        try:
            return int(self._values.get(name, default))
        except (TypeError, ValueError):
            return default

    def flag(self, name: str) -> bool:
        """A boolean: true, "true", "yes" or "1"."""
        return str(self._values.get(name, "")).lower() in ("true", "yes", "1")

    def structure(self, name: str) -> Any:
        """A nested value, None when absent; 400 when its JSON text cannot be read."""
        value = self._values.get(name)
        if not isinstance(value, str) or value == "":
            return value or None
        try:
            return json.loads(value)
        except ValueError:
            raise Refusal(400, f"Bad Request: can't parse {name} JSON object") from None

    def chat_id(self, name: str = "chat_id") -> int | str:
        """A chat id: a number, or @name as text."""
        value = self.text(name, "")
        if not value:
            raise Refusal(400, f"Bad Request: {name} is empty")
        return int(value) if value.lstrip("-").isdigit() else value

    def user_id(self) -> int:
        """A user id; 400 when it is not a positive number."""
        value = self.text("user_id", "")
        if not value.isdigit() or int(value) == 0:
            raise Refusal(400, "Bad Request: invalid user_id specified")
        return int(value)


def success(result: Any) -> Response:
    """{"ok": true, "result": ...}."""
    return jsonify({"ok": True, "result": result})
