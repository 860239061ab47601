"""Requests that hold on condition."""

from __future__ import annotations

from starlette.datastructures import Headers


def is_known(etag: str, headers: Headers) -> bool:
    """Whether If-None-Match says that the client has this version (RFC 9110, section 13.1.2)."""
    known = headers.get("if-none-match", "")
    return known == "*" or etag in (each.strip().removeprefix("W/") for each in known.split(","))
