"""The Link header of lists that have another page."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import settings


def link(path: str, cursor: str | None, **query: Any) -> dict[str, str]:
    """`Link: <...>; rel="next"` (RFC 8288) when there is a next page, built from SERVER_URL."""
    if cursor is None:
        return {}
    base = settings.load().server_url.removesuffix("/api")
    return {"Link": f'<{base}/api/v1/{path}?{urlencode({**query, "cursor": cursor})}>; rel="next"'}
