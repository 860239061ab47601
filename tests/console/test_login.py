"""Only operators come in, once for each code, and whoever guesses waits longer and longer."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import event, select, update

import settings
from console import texts
from db import transaction
from db.connections import engine
from db.models import LoginFailure, Operator, OperatorSession
from db.types import now
from services import login_waits, operators
from tests.console.browsing import (
    PASSWORD,
    Visitor,
    World,
    acting,
    entries,
    invite,
    join,
    new_code,
    world,
)
from tests.locks import somebody_waits
from tests.threads import at_once
from tests.wire import wait_until
from workflows import logins
from workflows.logins import LoginRefused


@pytest.fixture(autouse=True)
def _nothing_failed(console: World) -> None:
    """Failures of one test make nobody of the next one wait."""
    with transaction() as session:
        for failure in session.scalars(select(LoginFailure)):
            session.delete(failure)


def newcomer(console: World, name: str, role: str = "support") -> tuple[Visitor, str]:
    """A visitor with a one-time link."""
    visitor = console.guest()
    visitor.name = name
    return visitor, invite(name, role)


@pytest.mark.usefixtures("no_rows")
def test_without_an_operator_the_console_is_off_and_says_how_to_begin(console: World) -> None:
    for path in ("/", "/login", "/reviews/"):
        answer = console.guest().get(path)
        assert (answer.status_code, texts.NO_OPERATOR in answer.text) == (503, True)


def test_a_link_lets_in_once_with_a_long_password_and_a_right_code(console: World) -> None:
    visitor, path = newcomer(console, "anna")
    assert "<svg" in visitor.get(path).text
    assert "12" in join(visitor, path, password="short", repeated="short").text
    assert texts.NOT_THE_SAME in join(visitor, path, repeated="another one").text
    assert join(visitor, path, code="000000").status_code == 422
    joined = join(visitor, path)
    assert joined.status_code == 200 and joined.text.count("<li>") == 10
    assert visitor.get("/").status_code == 200
    assert console.guest().get(path).status_code == 404
    assert entries("session.begin")[-1].who == "anna"
    old, path = newcomer(console, "olga")
    with transaction() as session:
        late = now() - timedelta(seconds=1)
        session.execute(
            update(Operator).values(link_expires_at=late).where(Operator.name == "olga")
        )
    assert old.get(path).status_code == 404


def test_what_is_wrong_is_not_told_and_a_code_counts_once(console: World) -> None:
    console.operator("support", "boris")
    visitor = console.guest()
    visitor.name = "boris"
    code = new_code("boris")
    assert visitor.log_in(code=code).status_code == 303
    said = {
        visitor.log_in(password="wrong").text.count(texts.WRONG_LOGIN),
        visitor.log_in(code="000000").text.count(texts.WRONG_LOGIN),
    }
    with transaction() as session:
        step = 10**9  # what was accepted last is not older than this
        session.execute(update(Operator).values(totp_step=step).where(Operator.name == "boris"))
    token = {"name": "boris", "password": PASSWORD, "code": code}
    assert texts.WRONG_LOGIN in console.guest().post("/login", seen="/login", **token).text
    nobody = {"name": "nobody", "password": PASSWORD, "code": code}
    assert texts.WRONG_LOGIN in console.guest().post("/login", seen="/login", **nobody).text
    assert said == {1}


def test_a_recovery_code_counts_once_however_it_is_spelled(console: World) -> None:
    visitor, path = newcomer(console, "vera")
    code = join(visitor, path).text.partition("<li>")[2].partition("</li>")[0]
    assert visitor.log_in(code=code.upper().replace("-", " ")).status_code == 303
    assert visitor.log_in(code=code).status_code == 422


def test_the_cookie_of_a_session_is_new_and_ends_with_it(console: World) -> None:
    visitor = console.operator("support")
    before = visitor.client.get_cookie("console").value
    visitor.client.post("/logout", data=visitor.hidden("/"))
    assert visitor.get("/reviews/").status_code == 303
    visitor.client.set_cookie("console", before)
    assert visitor.get("/reviews/").headers["Location"] == "/login?next=/reviews/"
    assert visitor.log_in().status_code == 303
    cookie = visitor.client.get_cookie("console")
    assert cookie.value != before and cookie.http_only and cookie.same_site == "Lax"


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_a_login_leads_to_no_other_site(console: World, target: str) -> None:
    console.operator("support")
    visitor = console.guest()
    form = {"name": "the-support", "password": PASSWORD, "code": new_code("the-support")}
    assert visitor.post("/login", seen="/login", next=target, **form).headers["Location"] == "/"


@pytest.mark.parametrize("column", ["seen_at", "created_at"])
def test_a_session_ends_when_it_is_idle_or_old(console: World, column: str) -> None:
    visitor = console.operator("viewer")
    longest = {"seen_at": timedelta(hours=8), "created_at": timedelta(hours=24)}[column]
    with transaction() as session:
        session.execute(update(OperatorSession).values({column: now() - longest}))
    assert visitor.get("/").status_code == 303


def test_a_session_ends_with_the_role_and_with_the_operator(console: World) -> None:
    visitor, path = newcomer(console, "galina")
    join(visitor, path)
    with acting(), transaction() as session:
        operators.change_role(session, "galina", "viewer")
    assert visitor.get("/").status_code == 303
    assert visitor.log_in().status_code == 303
    with acting(), transaction() as session:
        operators.disable(session, "galina", now=now())
    assert visitor.get("/").status_code == 303
    assert visitor.log_in().status_code == 422


def test_failures_make_wait_longer_and_longer_but_never_for_ever(console: World) -> None:
    console.operator("support", "denis")
    moment = now()

    def guess(at: timedelta, address: str = "198.51.100.7") -> timedelta | None:
        visitor = logins.Visitor(address, "")
        with pytest.raises(LoginRefused) as refused:
            logins.log_in("denis", "wrong", "000000", visitor, now=moment + at)
        return refused.value.wait

    for _ in range(login_waits.FREE_FAILURES):
        assert guess(timedelta(0)) is None
    assert guess(timedelta(0)) == timedelta(seconds=1)
    at, waits = timedelta(0), []
    for _ in range(12):
        while (wait := guess(at)) is not None:
            waits.append(wait)
            at += wait
    assert waits == sorted(waits) and waits[-1] == timedelta(minutes=15)
    # Another address waits for the name only, and at most a minute.
    assert guess(at, "198.51.100.8") in (None, timedelta(minutes=1))
    # Its owner is at home, and does not wait for a stranger.
    assert console.operator("support", "denis").get("/").status_code == 200


def test_a_crowd_at_once_gets_no_more_guesses_than_one(console: World) -> None:
    subjects = [login_waits.name_subject("eva"), login_waits.address_subject("2001:db8::1")]
    moment = now()

    def guess() -> timedelta | None:
        with transaction() as session:
            return login_waits.attempt(session, subjects, now=moment)

    waits = at_once(guess, 2 * login_waits.FREE_FAILURES)
    assert waits.count(None) == waits.count(timedelta(seconds=1)) == login_waits.FREE_FAILURES
    assert login_waits.address_subject("2001:db8::ffff") == subjects[1]


def test_an_address_is_believed_from_a_trusted_proxy_only(
    console: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    console.operator("support")

    def seen(peer: str, forwarded: str) -> str | None:
        visitor = Visitor(console.app.test_client(), "the-support", peer)
        visitor.headers = {"X-Forwarded-For": forwarded}
        assert visitor.log_in().status_code == 303
        return entries("session.begin")[-1].address

    assert seen("198.51.100.9", "203.0.113.1") == "198.51.100.9"
    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.0/8")
    settings.load.cache_clear()
    try:
        assert seen("10.0.0.2", "192.0.2.66, 203.0.113.1") == "203.0.113.1"
        assert seen("198.51.100.9", "203.0.113.1") == "198.51.100.9"
    finally:
        monkeypatch.delenv("TRUSTED_PROXIES")
        settings.load.cache_clear()


def test_with_tls_the_cookie_is_bound_to_the_host(
    console: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONSOLE_URL", "https://console.example")
    settings.load.cache_clear()
    try:
        console.operator("support")
        with world() as secure:
            client = secure.app.test_client()
            answer = client.get("/login", base_url="https://console.example")
            (cookie,) = answer.headers.getlist("Set-Cookie")
            assert cookie.startswith("__Host-console=") and "Secure" in cookie
            assert "Path=/" in cookie and "Domain" not in cookie
            assert "max-age" in answer.headers["Strict-Transport-Security"]
            assert client.get("/login", base_url="https://evil.example").status_code == 400
            for origin, status in (
                ("https://console.example", 422),
                ("http://console.example", 403),
            ):
                page = client.get("/login", base_url="https://console.example").text
                token = page.partition('name="form_token" value="')[2].partition('"')[0]
                sent = client.post(
                    "/login",
                    data={"form_token": token, "name": "x", "password": "x", "code": "x"},
                    base_url="https://console.example",
                    headers={"Origin": origin},
                )
                assert sent.status_code == status
    finally:
        monkeypatch.delenv("CONSOLE_URL")
        settings.load.cache_clear()


def test_a_stranger_who_guesses_at_a_name_keeps_nobody_from_confirming(console: World) -> None:
    owner = console.operator("admin", "fedora")
    stranger = logins.Visitor("198.51.100.7", "")
    for _ in range(login_waits.FREE_FAILURES + 1):
        with pytest.raises(LoginRefused):
            logins.log_in("fedora", "wrong", "000000", stranger, now=now())
    owner.forget_code()
    form = {"role": "viewer", "name": "of-fedora", "code": new_code("fedora")}
    assert "/join/" in owner.post("/operators/", seen="/operators/", **form).text
    owner.forget_code()
    form |= {"name": "of-a-thief", "code": "000000"}
    tries = [owner.post("/operators/", seen="/operators/", **form).text for _ in range(7)]
    assert texts.WRONG_LOGIN in tries[0] and "Слишком много попыток" in tries[-1]


def test_a_login_that_succeeds_at_the_same_moment_makes_nobody_fail(console: World) -> None:
    """Two operators in one office: the first's success deletes the row that the second takes."""
    subjects = [login_waits.address_subject("203.0.113.9")]
    first: list[Future[None]] = []

    def succeed() -> None:
        with transaction() as session:
            login_waits.forgive(session, subjects)

    def between(_: object, __: object, statement: str, *___: object) -> None:
        if "login_failures" in statement and not first:
            first.append(other.submit(succeed))
            wait_until(lambda: first[0].done() or somebody_waits())

    with transaction() as session:
        login_waits.attempt(session, subjects, now=now())
    with ThreadPoolExecutor(1) as other:
        event.listen(engine(), "after_cursor_execute", between)
        try:
            with transaction() as session:
                assert login_waits.attempt(session, subjects, now=now()) is None
        finally:
            event.remove(engine(), "after_cursor_execute", between)
        first[0].result()


@pytest.mark.parametrize("change", ["reset", "disable"])
def test_a_password_that_was_compared_counts_no_more_after_a_change(
    console: World, change: str
) -> None:
    """Between the comparison and the session an admin has shut the operator out."""
    console.operator("support", f"zoya-{change}")
    code = new_code(f"zoya-{change}")
    with transaction() as session:
        before = operators.secrets_of(session, f"zoya-{change}")
        assert before is not None
        if change == "reset":
            operators.reset(session, before.name, role=None, now=now())
        else:
            operators.disable(session, before.name, now=now())
    with transaction() as session:
        assert not operators.accept_code(session, before.id, before.totp_secret, code, now())
