"""Files of the pages: addressed by their content, so that browsers keep them for ever."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

from flask import Flask, Response, request

STATIC = Path(__file__).parent / "static"


def address(name: str) -> str:
    """The address of a file in static/."""
    return f"/static/{name}?v={_version(name)}"


def keep(app: Flask) -> None:
    """Let browsers keep a file as long as its address says what is in it."""

    @app.after_request
    def keep_file(response: Response) -> Response:
        if request.endpoint == "static" and response.status_code < 400:
            name = (request.view_args or {})["filename"]
            lasting = request.args.get("v") == _version(name)
            response.headers["Cache-Control"] = (
                "public, max-age=31536000, immutable" if lasting else "no-cache"
            )
        return response


@cache
def _version(name: str) -> str:
    return sha256((STATIC / name).read_bytes()).hexdigest()[:16]
