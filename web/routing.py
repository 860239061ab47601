"""From method and path to an operation, exactly as the contract declares it.

connexion routes with three nested Starlette routers, and then Flask routes again with other slash
rules. That redirects trailing slashes before authentication, sends a wrong `Allow` for paths
with two operations and lets `GET /users/register-or-login` through as `/users/{userId}`.
ContractRouting replaces RoutingMiddleware and leaves the same entry in the scope for the
middlewares after it: scope["extensions"][ROUTING_CONTEXT].
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from connexion.middleware import SpecMiddleware
from connexion.middleware.abstract import ROUTING_CONTEXT
from connexion.spec import Specification
from starlette.types import ASGIApp, Receive, Scope, Send

from errors import ApiError
from spec.operations import METHODS
from telemetry.logs import EXCHANGE


@dataclass(frozen=True)
class Route:
    """One path of the contract; `operations` maps methods in capitals to operationIds."""

    template: str
    operations: Mapping[str, str]

    @property
    def allow(self) -> str:
        """The Allow header: GET includes HEAD."""
        return ", ".join(sorted(self.operations))


class RouteTable:
    """All paths of a contract; a literal path wins over a template, as OpenAPI requires.

    Addresses that need no key are typed into other programs (a provider's dashboard, a load
    balancer), so those work with a slash at the end, too.
    """

    def __init__(self, paths: Mapping[str, Mapping[str, Any]]) -> None:
        self._literal: dict[str, Route] = {}
        self._templates: list[tuple[re.Pattern[str], Route]] = []
        for template, item in paths.items():
            route = Route(template, _operations(item))
            for path in (template, f"{template}/") if _without_key(item) else (template,):
                if "{" in path:
                    self._templates.append((_pattern(path), route))
                else:
                    self._literal[path] = route

    def find(self, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route of `path` and its path parameters, which are never empty; None when the
        contract has no such path.
        """
        if route := self._literal.get(path):
            return route, {}
        for pattern, route in self._templates:
            if match := pattern.fullmatch(path):
                return route, match.groupdict()
        return None


class ContractRouting(SpecMiddleware):
    """Finds the operation of a request, or refuses with 404 or 405 and the right Allow.

    OPTIONS is not declared and gets 405 with Allow as any other method: the client is a bot, so
    there is no CORS to negotiate.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._table = RouteTable({})

    def add_api(self, specification: Specification, base_path: str | None = None, **_: Any) -> None:
        """Learn the paths of the one contract; called by connexion when it builds the stack."""
        if base_path:
            raise NotImplementedError("the contract's paths are complete: base_path must be empty")
        self._table = RouteTable(specification["paths"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a declared request on; otherwise ApiError `not_found` or `method_not_allowed`."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        found = self._table.find(scope["path"])
        if found is None:
            raise ApiError("not_found")
        route, parameters = found
        exchange = scope[EXCHANGE]
        exchange.template = route.template
        operation_id = route.operations.get(scope["method"])
        if operation_id is None:
            raise ApiError("method_not_allowed", headers={"Allow": route.allow})
        exchange.operation = operation_id
        scope["path_params"] = parameters
        scope.setdefault("extensions", {})[ROUTING_CONTEXT] = {
            "api_base_path": "",
            "operation_id": operation_id,
        }
        await self._app(scope, receive, send)


class ApiPrefix:
    """Removes a leading `/api` in front of one of `roots`.

    Links to stored files begin with SERVER_URL, which ends in `/api`, and so arrive below
    `/api/storage`. And the contract says both `servers: .../api` and paths `/api/v1/...`: a literal
    client calls `/api/api/v1/...`.
    """

    PREFIX = "/api"

    def __init__(self, app: ASGIApp, *, roots: Iterable[str]) -> None:
        self._app = app
        self._prefixed = tuple(self.PREFIX + root for root in roots)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the next layer, without the prefix if there is one."""
        if scope["type"] == "http" and scope["path"].startswith(self._prefixed):
            raw = scope.get("raw_path") or b""
            scope = {
                **scope,
                "path": scope["path"].removeprefix(self.PREFIX),
                "raw_path": raw.removeprefix(self.PREFIX.encode("ascii")),
            }
        await self._app(scope, receive, send)


def _pattern(template: str) -> re.Pattern[str]:
    """The template as an expression; no value of a parameter contains a slash."""
    parts = re.split(r"\{(\w+)\}", template)  # literals, and between them names
    return re.compile(
        "".join(f"(?P<{part}>[^/]+)" if n % 2 else re.escape(part) for n, part in enumerate(parts))
    )


def _operations(item: Mapping[str, Any]) -> dict[str, str]:
    found = {method.upper(): item[method]["operationId"] for method in METHODS if method in item}
    if "GET" in found:
        found["HEAD"] = found["GET"]
    return found


def _without_key(item: Mapping[str, Any]) -> bool:
    """Whether the contract takes the key off every operation of a path."""
    return all(item[method].get("security") == [] for method in METHODS if method in item)
