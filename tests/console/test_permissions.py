"""Every route says who may use it, and nobody else may."""

from __future__ import annotations

import re

import pytest
from flask import Blueprint

from console import access
from console.app import create_app
from console.permissions import ROLES, Permission
from tests.console.browsing import World
from tests.live import unchanged

# Route -> the lowest role that may use it; `nobody` needs no session.
MATRIX = {
    "GET /": "viewer",
    "GET /login": "nobody",
    "POST /login": "nobody",
    "POST /logout": "viewer",
    "GET /join/<token>": "nobody",
    "POST /join/<token>": "nobody",
    "GET /audit/": "admin",
    "GET /operators/": "admin",
    "POST /operators/": "admin",
    "GET /operators/<name>": "admin",
    "POST /operators/<name>/disable": "admin",
    "POST /operators/<name>/reset": "admin",
    "POST /operators/<name>/role": "admin",
    "POST /operators/sessions/<uuid:session_id>/end": "admin",
    "GET /sessions/": "viewer",
    "POST /sessions/codes": "viewer",
    "POST /sessions/<uuid:session_id>/end": "viewer",
    "GET /settings/": "admin",
    "GET /search": "viewer",
    "GET /people/": "support",
    "GET /people/<uuid:user_id>": "support",
    "POST /people/<uuid:user_id>/pictures": "support",
    "POST /people/<uuid:user_id>/ban": "support",
    "POST /people/<uuid:user_id>/unban": "support",
    "GET /people/<uuid:user_id>/tokens/grant": "support",
    "POST /people/<uuid:user_id>/tokens/grant": "support",
    "GET /people/<uuid:user_id>/tokens/withdraw": "admin",
    "POST /people/<uuid:user_id>/tokens/withdraw": "admin",
    "GET /people/<uuid:user_id>/export": "admin",
    "POST /people/<uuid:user_id>/export": "admin",
    "GET /people/<uuid:user_id>/erase": "admin",
    "POST /people/<uuid:user_id>/erase": "admin",
    "GET /orders/": "viewer",
    "GET /orders/<uuid:job_id>": "viewer",
    "POST /orders/<uuid:job_id>/pictures": "support",
    "POST /orders/<uuid:job_id>/retry": "support",
    "POST /orders/<uuid:job_id>/fail": "support",
    "GET /payments/": "viewer",
    "GET /payments/<uuid:payment_id>": "viewer",
    "POST /payments/<uuid:payment_id>/check": "support",
    "GET /payments/<uuid:payment_id>/refund": "admin",
    "POST /payments/<uuid:payment_id>/refund": "admin",
    "GET /payment-events/": "viewer",
    "GET /payment-events/<uuid:event_id>": "viewer",
    "POST /payment-events/<uuid:event_id>/replay": "support",
    "POST /payment-events/<uuid:event_id>/dismiss": "support",
    "GET /files/<uuid:data_id>": "viewer",
    "GET /reviews/": "support",
    "GET /reviews/next": "support",
    "GET /reviews/<uuid:review_id>": "support",
    "POST /reviews/<uuid:review_id>/approve": "support",
    "POST /reviews/<uuid:review_id>/reject": "support",
    "GET /lotteries/": "viewer",
    "GET /lotteries/add": "admin",
    "POST /lotteries/add": "admin",
    "GET /lotteries/<uuid:lottery_id>": "viewer",
    "GET /lotteries/<uuid:lottery_id>/entries": "support",
    "POST /lotteries/<uuid:lottery_id>/edit": "admin",
    "POST /lotteries/<uuid:lottery_id>/close": "admin",
    "POST /lotteries/<uuid:lottery_id>/draw": "admin",
    "POST /lotteries/<uuid:lottery_id>/redraw": "admin",
    "GET /tariffs/": "viewer",
    "GET /tariffs/add": "admin",
    "POST /tariffs/add": "admin",
    "GET /tariffs/of/<path:name>": "viewer",
    "POST /tariffs/of/<path:name>": "admin",
    "GET /models/": "viewer",
    "GET /models/of/<path:name>": "viewer",
    "POST /models/of/<path:name>": "admin",
    "GET /engines/": "viewer",
    "GET /engines/<name>": "viewer",
    "POST /engines/<name>/limits": "admin",
    "POST /engines/<name>/resume": "admin",
    "GET /outbox/": "viewer",
    "GET /outbox/<uuid:event_id>": "support",
    "POST /outbox/<uuid:event_id>/replay": "admin",
    "POST /outbox/dead/replay": "admin",
    "GET /ledger/": "viewer",
    "POST /ledger/check": "admin",
    "POST /exports/<noun>": "admin",
    "GET /support/": "support",
    "POST /support/<int:number>/close": "support",
}
LADDER = ("nobody", "viewer", "support", "admin")
EXAMPLES = {
    "uuid": "11111111-1111-4111-8111-111111111111",
    "int": "1",
    "path": "none",
    "": "none",
}


def routes() -> set[str]:
    """Every method and rule of the application."""
    return {
        f"{method} {rule.rule}"
        for rule in create_app().url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint != "static"
    }


def example(route: str) -> tuple[str, str]:
    """Method and path, with a value for each part."""
    method, rule = route.split(" ")
    return method, re.sub(r"<(?:(\w+):)?\w+>", lambda found: EXAMPLES[found[1] or ""], rule)


def test_every_route_is_in_the_matrix() -> None:
    assert routes() == set(MATRIX)


def test_a_route_that_does_not_say_who_may_stops_the_start() -> None:
    app = create_app()
    pages = Blueprint("planted", __name__)
    pages.get("/planted")(lambda: "open")
    app.register_blueprint(pages)
    with pytest.raises(RuntimeError, match="planted"):
        access.rules(app)


@pytest.mark.parametrize("role", LADDER)
def test_a_role_may_use_what_the_matrix_says_and_nothing_else(console: World, role: str) -> None:
    admin = console.operator("admin")
    assert admin.get("/").status_code == 200
    visitor = console.guest() if role == "nobody" else console.operator(role)
    for route, lowest in MATRIX.items():
        method, path = example(route)
        if path == "/logout":  # leads to the login whoever asks
            continue
        sent = visitor.get(path) if method == "GET" else visitor.post(path, seen=seen(role))
        refused = sent.status_code == 403 or sent.headers.get("Location", "").startswith("/login")
        assert refused == (LADDER.index(role) < LADDER.index(lowest)), (route, sent.status_code)


def test_no_form_is_taken_without_its_token(console: World) -> None:
    admin = console.operator("admin")
    for route in MATRIX:
        method, path = example(route)
        if method == "POST":
            with unchanged():
                assert admin.post(path).status_code == 403, route


def seen(role: str) -> str:
    """A page with a form that this role can open."""
    return "/login" if role == "nobody" else "/"


def test_a_higher_role_may_all_that_a_lower_one_may() -> None:
    viewer, support, admin = (ROLES[role] for role in ("viewer", "support", "admin"))
    assert viewer < support < admin == set(Permission)
    assert not {Permission.PICTURES_READ, Permission.PEOPLE_READ} & viewer
