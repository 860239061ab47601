"""The contract as pages for people and tools, and other applications mounted beside the API.

/api/v1/openapi.json, /api/v1/openapi.yaml and /api/v1/docs, open to everyone and fully offline:
Swagger UI lies in web/swagger_ui.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from spec import PATH
from telemetry.logs import EXCHANGE
from web.conditions import is_known

ROOT = "/api/v1"
SWAGGER_UI = Path(__file__).with_name("swagger_ui")

# Relative, so that the page also works under the alias and behind a proxy that adds a prefix.
_PAGE = """<!doctype html>
<html lang="ru">
<meta charset="utf-8">
<title>Live Photo Bot Backend API</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</html>
"""

# Requests go to the server that serves the page.
_START = """fetch("openapi.json")
  .then((answer) => answer.json())
  .then((contract) => {
    contract.servers = [{ url: new URL("../..", location.href).href.replace(/\\/$/, "") }];
    window.ui = SwaggerUIBundle({
      spec: contract,
      dom_id: "#swagger-ui",
      deepLinking: true,
      persistAuthorization: false,
      validatorUrl: null,
    });
  });
"""

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


class Documents:
    """Serves the contract's pages and `mounts`, calls `app` for everything else.

    mounts: path prefix -> application that serves everything below it.
    """

    def __init__(
        self, app: ASGIApp, *, contract: Mapping[str, Any], mounts: Mapping[str, ASGIApp]
    ) -> None:
        self._app = app
        routes: list[BaseRoute] = [
            _document(f"{ROOT}/openapi.json", orjson.dumps(contract), "application/json"),
            _document(f"{ROOT}/openapi.yaml", PATH.read_bytes(), "application/yaml"),
            _document(f"{ROOT}/docs", _PAGE.encode(), "text/html"),
            _document(f"{ROOT}/docs/start.js", _START.encode(), "text/javascript"),
            Mount(f"{ROOT}/docs", app=StaticFiles(directory=SWAGGER_UI)),
        ]
        routes += [Mount(prefix, app=mounted) for prefix, mounted in mounts.items()]
        self._router = Router(routes, redirect_slashes=False)
        self._prefixes = (f"{ROOT}/openapi.", f"{ROOT}/docs", *(f"{prefix}/" for prefix in mounts))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route the contract's pages and `mounts`; API requests cost one prefix check."""
        if scope["type"] == "http" and scope["path"].startswith(self._prefixes):
            found = next(each for each in self._prefixes if scope["path"].startswith(each))
            scope[EXCHANGE].template = f"{found}*"
            await self._router(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _document(path: str, content: bytes, media_type: str) -> Route:
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache", "Content-Security-Policy": _PAGE_POLICY}

    async def answer(request: Request) -> Response:
        if is_known(tag, request.headers):
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=media_type, headers=headers)

    return Route(path, answer, methods=["GET"])
