"""Who may use the console, what they did in it, and what keeps strangers out."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Identity, Index, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from db.models.table import Table, one_of

OPERATOR_ROLES = ("viewer", "support", "admin")
AUDIT_OUTCOMES = ("begun", "done", "failed")


class Operator(Table):
    """A person with access to the console.

    Without a password hash they have never come through their one-time link. `totp_step` is the
    newest time step whose code was accepted; `recovery_hashes` are of the codes not used yet.
    """

    __tablename__ = "operators"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    password_hash: Mapped[str | None]
    totp_secret: Mapped[str]
    totp_step: Mapped[int] = mapped_column(server_default="0")
    recovery_hashes: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    link_hash: Mapped[str | None] = mapped_column(unique=True)
    link_expires_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    last_login_at: Mapped[datetime | None]
    last_address: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint(one_of("role", OPERATOR_ROLES), "role"),
        CheckConstraint("name ~ '^[a-z0-9][a-z0-9._-]{1,31}$'", "name"),
        CheckConstraint("(link_hash IS NULL) = (link_expires_at IS NULL)", "link_expires"),
    )


class OperatorSession(Table):
    """A login that has not ended; of its cookie only the SHA-256 is kept.

    `confirmed_at`: when the operator last gave a code of the second factor.
    """

    __tablename__ = "operator_sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operators.id"), index=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    address: Mapped[str | None]
    agent: Mapped[str | None]
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    confirmed_at: Mapped[datetime]


class LoginFailure(Table):
    """Logins that failed in a row for one name or from one address, and codes within one session:
    `name:`, `address:` or `session:`.
    """

    __tablename__ = "login_failures"

    subject: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(index=True)


class FormKey(Table):
    """A form that was sent: its action happens once, and is shown again to whoever repeats it.

    `said` is empty while the action runs, and for ever when the console died in the middle of one.
    """

    __tablename__ = "form_keys"

    key: Mapped[str] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operators.id"))
    said: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(index=True)

    __table_args__ = (CheckConstraint("char_length(key) BETWEEN 16 AND 64", "key"),)


class AuditEntry(Table):
    """What an operator did, in the console or by a command; a trigger keeps it as it was written.

    `role` is `command` for the command line. `target` is a kind and an id, such as `payment:...`.
    An action around a call to the outside has two entries: begun, then done or failed.
    """

    __tablename__ = "audit_entries"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    who: Mapped[str]
    role: Mapped[str]
    action: Mapped[str]
    target: Mapped[str | None]
    reason: Mapped[str | None]
    key: Mapped[str | None]
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    outcome: Mapped[str]
    note: Mapped[str | None]
    request_id: Mapped[str | None]
    address: Mapped[str | None]

    __table_args__ = (
        CheckConstraint(one_of("outcome", AUDIT_OUTCOMES), "outcome"),
        Index("ix_audit_entries_who", "who", "number"),
        Index("ix_audit_entries_action", "action", "number"),
        Index("ix_audit_entries_target", "target", "number"),
        Index("ix_audit_entries_at", "at"),
        Index(
            "ix_audit_entries_request_id",
            "request_id",
            postgresql_where=text("request_id IS NOT NULL"),
        ),
    )
