"""What an operator does with the console, through Flask's client: follow links, fill in forms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pyotp
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from console.app import create_app
from db import transaction
from db.models import AuditEntry, Operator, OperatorSession
from db.types import now
from services import audit, operators
from services.audit import Actor

PASSWORD = "correct horse battery staple"
HIDDEN = re.compile(r'name="(form_token|form_key)" value="([^"]*)"')


@dataclass
class Visitor:
    """A browser: one person, or nobody yet."""

    client: FlaskClient
    name: str = ""
    address: str = "127.0.0.1"
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **query: str) -> TestResponse:
        """Open a page."""
        given = {"query_string": query} if query else {}
        return self.client.get(path, headers=self.headers, **given, **self._from())

    def hidden(self, path: str) -> dict[str, str]:
        """The hidden fields of the first form of a page: its token and its key."""
        return dict(reversed(HIDDEN.findall(self.get(path).text)))

    def post(self, path: str, *, seen: str | None = None, **fields: Any) -> TestResponse:
        """Send a form as its page `seen` has it; without a page, only the fields."""
        hidden = self.hidden(seen) if seen else {}
        form = hidden | {name: str(value) for name, value in fields.items()}
        return self.client.post(path, data=form, headers=self.headers, **self._from())

    def follow(self, answer: TestResponse) -> TestResponse:
        """The page that an answer leads to."""
        assert answer.status_code == 303, answer.text
        return self.get(answer.headers["Location"])

    def follow_any(self, answer: TestResponse) -> TestResponse:
        """The page that an answer leads to, also one that only has another address."""
        return self.get(answer.headers["Location"])

    def forget_code(self) -> None:
        """Let the last code be long ago."""
        with transaction() as session:
            session.execute(update(OperatorSession).values(confirmed_at=now() - timedelta(hours=1)))

    def log_in(self, password: str = PASSWORD, code: str | None = None) -> TestResponse:
        """Try to log in; the code is the right one unless another is given."""
        fields = {"name": self.name, "password": password, "code": code or new_code(self.name)}
        return self.post("/login", seen="/login", **fields)

    def _from(self) -> dict[str, Any]:
        return {"environ_base": {"REMOTE_ADDR": self.address}}


@dataclass
class World:
    """The console, and those who use it."""

    app: Flask

    def guest(self, address: str = "127.0.0.1") -> Visitor:
        """A browser that knows nothing."""
        return Visitor(self.app.test_client(), address=address)

    def operator(self, role: str, name: str = "") -> Visitor:
        """An operator of this role in a new session, made at the first call."""
        visitor = Visitor(self.app.test_client(), name or f"the-{role}")
        with transaction() as session:
            known = session.scalar(select(Operator.id).where(Operator.name == visitor.name))
        if known is None:
            joined = join(visitor, invite(visitor.name, role))
            assert joined.status_code == 200, joined.text
        else:
            assert visitor.log_in().status_code == 303
        return visitor


@contextmanager
def world() -> Iterator[World]:
    """A console on the database of this module."""
    yield World(create_app())


def invite(name: str, role: str) -> str:
    """The path of the one-time link of a new operator."""
    with transaction() as session:
        return f"/join/{operators.add(session, name, role, now=now())}"


def join(visitor: Visitor, path: str, password: str = PASSWORD, **fields: str) -> TestResponse:
    """Come in through a link."""
    given = {"password": password, "repeated": password, "code": new_code(visitor.name)}
    return visitor.post(path, seen=path, **(given | fields))


def new_code(name: str) -> str:
    """A code that was not used yet: it counts once, and the next one comes in half a minute."""
    with transaction() as session:
        session.execute(update(Operator).where(Operator.name == name).values(totp_step=0))
        secret = session.scalars(select(Operator.totp_secret).where(Operator.name == name)).one()
    return pyotp.TOTP(secret).now()


def entries(action: str) -> list[AuditEntry]:
    """The audit entries of an action, oldest first."""
    with transaction() as session:
        query = select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.number)
        return list(session.scalars(query))


@contextmanager
def acting(name: str = "tester") -> Iterator[None]:
    """Let this process act, as a command does."""
    token = audit.actor.set(Actor(name, "command"))
    try:
        yield
    finally:
        audit.actor.reset(token)
