"""Authentication by X-API-Key."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from providers.failures import SignatureInvalid
from providers.payments import signatures
from providers.payments.telegram import TelegramGateway
from providers.telegram import TelegramBot
from spec import CONTRACT
from tests import wire
from tests.web.cases import STRANGERS, TARIFFS, presenting
from tests.wire import KEY, SECOND_KEY, Server
from web.security import accepted


@pytest.mark.parametrize(("key", "number"), [(KEY, 0), (SECOND_KEY, 1)])
def test_each_configured_key_is_accepted(server: Server, key: str, number: int) -> None:
    answer = server.request("GET", TARIFFS, key=key)
    assert answer.status == 200
    assert server.access(answer.headers["X-Request-ID"])["key"] == number


@pytest.mark.parametrize("name", STRANGERS)
def test_anything_else_is_refused(server: Server, name: str) -> None:
    answer = server.raw(presenting(STRANGERS[name]))
    assert answer.status == 401
    assert answer.json["code"] == "unauthorized"
    assert answer.headers["WWW-Authenticate"] == 'ApiKey realm="Live Photo"'


def test_the_key_is_asked_for_before_the_request_is_judged(server: Server) -> None:
    headers = {"Content-Type": "text/plain"}
    answer = server.request("POST", "/api/v1/jobs", b"junk", headers, key=None)
    assert answer.status == 401


def test_every_operation_but_those_the_contract_opens_needs_a_key(server: Server) -> None:
    opened = set()
    for path, item in CONTRACT["paths"].items():
        for method, operation in item.items():
            target = path.replace("{provider}", "stripe").replace("{", "").replace("}", "")
            answer = server.request(method.upper(), target, key=None)
            if answer.status != 401:
                opened.add(operation["operationId"])
    assert opened == {"webhookPayments", "healthLive", "healthReady"}


def test_a_server_without_keys_lets_nobody_in(tmp_path: Path) -> None:
    with wire.serve("tests.stubs:create()", tmp_path, SERVER_API_KEY=" ") as server:
        assert server.request("GET", TARIFFS, key="").status == 401
        assert server.request("GET", TARIFFS, key=" ").status == 401
        assert server.request("GET", TARIFFS, key=KEY).status == 401
        assert server.request("GET", "/api/v1/health/live", key=None).status == 200


def test_all_keys_are_compared_and_the_position_is_told() -> None:
    keys = [b"first", b"second"]
    assert accepted(keys, b"first") == 0
    assert accepted(keys, b"second") == 1
    assert accepted(keys, b"third") is None
    assert accepted([], b"") is None


def test_each_secret_is_compared_with_all_of_them_in_constant_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A comparison that ends early, at a byte or at a key, would tell by its time what is right."""
    compared: list[bytes] = []

    def counting(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return compare_digest(one, other)

    compare_digest = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", counting)
    for given in (b"first", b"third", b"nothing of the kind"):
        compared.clear()
        accepted([b"first", b"second", b"third"], given)
        assert len(compared) == 3
    known, header = ("whsec_a", "whsec_b", "whsec_c"), "t=1700000000,v1=00,v1=11"
    compared.clear()
    with pytest.raises(SignatureInvalid):
        signatures.verify(b"{}", header, secrets=known, now=datetime.fromtimestamp(17e8, UTC))
    assert len(compared) == 3 * 2
    bot = TelegramBot("http://127.0.0.1:9", "1:x")
    gateway = TelegramGateway(bot, secrets=known, currency="XTR", rub_per_star=Decimal(1))
    compared.clear()
    with pytest.raises(SignatureInvalid):
        headers = {"X-Telegram-Bot-Api-Secret-Token": "whsec_"}
        gateway.parse_event(b"{}", headers, client_ip=None, now=datetime.now(UTC))
    assert len(compared) == 3


def test_a_key_is_changed_without_a_moment_in_which_no_key_works(tmp_path: Path) -> None:
    old, new = "the-old-key-" + "0" * 32, "the-new-key-" + "0" * 32
    for keys, works in ((old, {old}), (f"{new},{old}", {new, old}), (new, {new})):
        with wire.serve("tests.stubs:create()", tmp_path, SERVER_API_KEY=keys) as server:
            found = {
                key for key in (old, new) if server.request("GET", TARIFFS, key=key).status == 200
            }
            assert found == works
