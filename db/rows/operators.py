"""Operators of the console, their sessions, and what they did."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID


class OperatorRow(NamedTuple):
    """An operator without their secrets: see db.models.Operator."""

    id: UUID
    name: str
    role: str
    link_expires_at: datetime | None
    disabled_at: datetime | None
    last_login_at: datetime | None
    last_address: str | None
    created_at: datetime


class OperatorSessionRow(NamedTuple):
    """A live login: see db.models.OperatorSession. `name` and `role` are the operator's."""

    id: UUID
    operator_id: UUID
    address: str | None
    agent: str | None
    created_at: datetime
    seen_at: datetime
    confirmed_at: datetime
    name: str
    role: str


class AuditEntryRow(NamedTuple):
    """One action: see db.models.AuditEntry."""

    id: UUID
    number: int
    at: datetime
    who: str
    role: str
    action: str
    target: str | None
    reason: str | None
    key: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    outcome: str
    note: str | None
    request_id: str | None
    address: str | None
