"""Rate limits per key and user: counted, reported, enforced, and reset after the window."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

import settings
from spec import CONTRACT
from tests import stubs, wire
from tests.threads import at_once
from tests.wire import KEY, SECOND_KEY, Answer, Server, wait_until
from web.app import create_app
from web.rate_limits import RateLimit

TARIFFS = "/api/v1/tariffs"
PER_USER, PER_KEY = 4, 12
MINUTE = 60
STUBS, SHORT = "tests.stubs:create()", "tests.stubs:create_with_short_windows()"
THIRD_KEY, FOURTH_KEY = (f"{each}-key-0123456789-0123456789-0123456789" for each in "34")


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """PER_USER requests about one user in each minute."""
    folder = tmp_path_factory.mktemp("limited")
    with wire.serve(STUBS, folder, RATE_LIMIT_PER_USER=str(PER_USER)) as running:
        yield running


@pytest.fixture(scope="module")
def limited_keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """PER_KEY requests of one key in each minute, and PER_USER about one user."""
    folder = tmp_path_factory.mktemp("limited-keys")
    changes = {"RATE_LIMIT_PER_KEY": str(PER_KEY), "RATE_LIMIT_PER_USER": str(PER_USER)}
    keys = ",".join((KEY, SECOND_KEY, THIRD_KEY, FOURTH_KEY))
    with wire.serve(STUBS, folder, SERVER_API_KEY=keys, **changes) as running:
        yield running


def user() -> str:
    return str(uuid4())


def balance(server: Server, user_id: str, key: str | None = KEY) -> Answer:
    return server.request("GET", f"/api/v1/users/{user_id}/balance", key=key)


def limits_of(answer: Answer) -> tuple[int, int, int]:
    """Limit, requests left, seconds until the next window."""
    names = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
    limit, remaining, reset = (int(answer.headers[name]) for name in names)
    return limit, remaining, reset


def require_refused(answer: Answer, limit: int) -> None:
    assert answer.status == 429
    assert answer.json["code"] == "rate_limited"
    assert answer.json["message"]
    assert answer.headers["Content-Type"] == "application/json"
    assert limits_of(answer)[:2] == (limit, 0)
    assert 1 <= int(answer.headers["Retry-After"]) <= MINUTE
    assert answer.headers["Retry-After"] == answer.headers["RateLimit-Reset"]


def test_what_is_left_is_told_and_the_next_request_is_refused(limited: Server) -> None:
    asking, other = user(), user()
    for left in reversed(range(PER_USER)):
        answer = balance(limited, asking)
        assert answer.status == 200
        limit, remaining, reset = limits_of(answer)
        assert (limit, remaining) == (PER_USER, left)
        assert 1 <= reset <= MINUTE
    for _ in range(3):
        require_refused(answer := balance(limited, asking), PER_USER)
    assert balance(limited, other).status == 200
    line = limited.access(answer.headers["X-Request-ID"])
    assert (line["status"], line["code"]) == (429, "rate_limited")


def test_with_the_window_the_count_ends(tmp_path: Path) -> None:
    asking = user()
    with wire.serve(SHORT, tmp_path, RATE_LIMIT_PER_USER="1") as short:
        wait_until(lambda: balance(short, asking).status == 429)  # two in one window
        wait_until(lambda: balance(short, asking).status == 200)


def test_who_asks_at_once_gets_no_more_than_who_asks_in_turn(limited: Server) -> None:
    asking = user()
    answers = at_once(lambda: balance(limited, asking).status, 3 * PER_USER)
    assert Counter(answers) == {200: PER_USER, 429: 2 * PER_USER}


def test_a_user_is_the_same_in_path_query_and_body(limited: Server) -> None:
    asking = user()
    answers = [
        balance(limited, asking.upper()),
        limited.get(f"/api/v1/jobs?userId={asking}"),
        limited.post_json("/api/v1/payments/intents", {"userId": asking, "amountRub": 100}),
        limited.request(
            "PATCH",
            f"/api/v1/users/{asking}/consent",
            json.dumps({"consentPd": True}).encode(),
            {"Content-Type": "application/json"},
        ),
        balance(limited, asking),
    ]
    assert [answer.status for answer in answers] == [200, 200, 201, 200, 429]


def test_a_visitor_is_counted_by_their_telegram_id(limited: Server) -> None:
    visits = [
        limited.post_json("/api/v1/users/register-or-login", {"telegramId": "4711"})
        for _ in range(PER_USER + 1)
    ]
    require_refused(visits[-1], PER_USER)
    other = limited.post_json("/api/v1/users/register-or-login", {"telegramId": "4712"})
    assert other.status == 200


def test_refusals_tell_what_is_left_too(limited: Server) -> None:
    failing = next(each for each, does in stubs.BEHAVIOURS.items() if each.endswith("5"))
    answer = limited.get(f"/api/v1/users/{failing}")
    assert answer.json["code"] == "user_not_found"
    assert limits_of(answer)[0] == PER_USER


@pytest.mark.parametrize("undeclared", [123, {"a": 1}, None])
def test_a_field_that_no_operation_asked_for_may_be_anything(
    limited: Server, undeclared: object
) -> None:
    body = {"telegramId": f"8{time.time_ns()}"[:16], "userId": undeclared}
    answer = limited.post_json("/api/v1/users/register-or-login", body)
    assert (answer.status, limits_of(answer)[:2]) == (200, (PER_USER, PER_USER - 1))


def test_what_is_about_nobody_or_malformed_is_not_counted_for_users(limited: Server) -> None:
    for _ in range(PER_USER + 1):
        answer = limited.get(TARIFFS)
        assert answer.status == 200
        assert answer.headers["RateLimit-Limit"] is None
        malformed = limited.post_json("/api/v1/users/register-or-login", {"telegramId": ""})
        assert malformed.status == 400


def test_each_key_has_a_limit_of_its_own_and_strangers_have_none(limited_keys: Server) -> None:
    for _ in range(PER_KEY + 1):
        assert limited_keys.request("GET", TARIFFS, key="a stranger's").status == 401
    answers = [limited_keys.request("GET", TARIFFS, key=SECOND_KEY) for _ in range(PER_KEY + 1)]
    assert [answer.status for answer in answers] == [200] * PER_KEY + [429]
    require_refused(answers[-1], PER_KEY)
    malformed = [balance(limited_keys, "no-uuid", key=THIRD_KEY) for _ in range(PER_KEY + 1)]
    assert [answer.status for answer in malformed] == [400] * PER_KEY + [429]
    assert limited_keys.request("GET", TARIFFS, key=FOURTH_KEY).status == 200


def test_of_two_limits_the_nearer_one_is_told(limited_keys: Server) -> None:
    asking = user()
    assert limits_of(balance(limited_keys, asking))[:2] == (PER_USER, PER_USER - 1)
    for _ in range(PER_KEY - 3):
        limited_keys.get(TARIFFS)
    assert limits_of(balance(limited_keys, asking))[:2] == (PER_KEY, 1)
    assert limits_of(balance(limited_keys, user()))[:2] == (PER_KEY, 0)


def test_providers_and_probes_are_never_limited(limited_keys: Server) -> None:
    headers = {"Content-Type": "application/json"}
    path = "/api/v1/webhooks/payments/stripe"
    body = json.dumps({"userId": user(), "telegramId": "1"}).encode()
    for _ in range(PER_KEY + 1):
        for answer in (
            limited_keys.request("POST", path, body, headers, key=None),
            limited_keys.request("POST", path, body, headers),
            limited_keys.request("GET", "/api/v1/health/live", key=None),
            limited_keys.request("GET", "/api/v1/docs", key=None),
        ):
            assert answer.status == 200
            assert answer.headers["RateLimit-Limit"] is None


@pytest.mark.parametrize(("per_key", "per_user"), [(0, 0), (0, 9), (9, 0), (9, 9)])
def test_a_limit_that_is_off_is_no_layer_at_all(per_key: int, per_user: int) -> None:
    chosen = settings.Settings(
        environment="test",
        s3_bucket="none",
        rate_limit_per_key=per_key,
        rate_limit_per_user=per_user,
    )
    app = create_app(chosen, operations=stubs.table())
    layers = [each for each in app.middlewares if _makes(each) is RateLimit]
    assert len(layers) == bool(per_key) + bool(per_user)


def test_by_default_users_are_limited_and_the_one_key_is_not() -> None:
    defaults = settings.Settings()
    assert (defaults.rate_limit_per_key, defaults.rate_limit_per_user) == (0, 300)


def test_the_contract_promises_what_is_sent() -> None:
    names = {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"}
    assert names <= CONTRACT["components"]["headers"].keys()
    assert names <= CONTRACT["components"]["responses"]["TooManyRequests"]["headers"].keys()
    for item in CONTRACT["paths"].values():
        for operation in item.values():
            sent = set().union(
                *(
                    response["headers"].keys()
                    for status, response in operation["responses"].items()
                    if status.startswith("2")
                )
            )
            assert (names <= sent) == (operation.get("security") != []), operation["operationId"]


def _makes(layer: object) -> object:
    return getattr(layer, "func", layer)
