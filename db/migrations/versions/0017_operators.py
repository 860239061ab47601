"""Operators of the console: logins, sessions, forms they sent, and what they did"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

AUDIT_GUARD = """
CREATE FUNCTION guard_audit_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit entries are append-only (%)', TG_OP
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER audit_entries_are_final BEFORE UPDATE OR DELETE ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION guard_audit_entries();
CREATE TRIGGER audit_entries_are_kept BEFORE TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION guard_audit_entries();
"""


def moment(name: str, **options: object) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), **options)


def upgrade() -> None:
    op.create_table(
        "operators",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text),
        sa.Column("totp_secret", sa.Text, nullable=False),
        sa.Column("totp_step", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("recovery_hashes", sa.ARRAY(sa.Text), server_default="{}", nullable=False),
        sa.Column("link_hash", sa.Text),
        moment("link_expires_at"),
        moment("disabled_at"),
        moment("last_login_at"),
        sa.Column("last_address", sa.Text),
        moment("created_at", server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_operators"),
        sa.UniqueConstraint("name", name="uq_operators_name"),
        sa.UniqueConstraint("link_hash", name="uq_operators_link_hash"),
        sa.CheckConstraint("role IN ('viewer', 'support', 'admin')", name="ck_operators_role"),
        sa.CheckConstraint("name ~ '^[a-z0-9][a-z0-9._-]{1,31}$'", name="ck_operators_name"),
        sa.CheckConstraint(
            "(link_hash IS NULL) = (link_expires_at IS NULL)", name="ck_operators_link_expires"
        ),
    )
    op.create_table(
        "operator_sessions",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("operator_id", sa.Uuid, nullable=False),
        sa.Column("token_hash", sa.Text, nullable=False),
        sa.Column("address", sa.Text),
        sa.Column("agent", sa.Text),
        moment("created_at", nullable=False),
        moment("seen_at", nullable=False),
        moment("confirmed_at", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_operator_sessions"),
        sa.UniqueConstraint("token_hash", name="uq_operator_sessions_token_hash"),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name="fk_operator_sessions_operator_id"
        ),
    )
    op.create_index("ix_operator_sessions_operator_id", "operator_sessions", ["operator_id"])
    op.create_table(
        "login_failures",
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("failures", sa.BigInteger, nullable=False),
        moment("last_at", nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_login_failures"),
    )
    op.create_index("ix_login_failures_last_at", "login_failures", ["last_at"])
    op.create_table(
        "form_keys",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("operator_id", sa.Uuid, nullable=False),
        sa.Column("said", sa.Text),
        moment("created_at", nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_form_keys"),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name="fk_form_keys_operator_id"),
        sa.CheckConstraint("char_length(key) BETWEEN 16 AND 64", name="ck_form_keys_key"),
    )
    op.create_index("ix_form_keys_created_at", "form_keys", ["created_at"])
    _create_audit_entries()


def _create_audit_entries() -> None:
    texts = ("target", "reason", "key")
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False),
        moment("at", server_default=sa.func.now(), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("who", "role", "action")),
        *(sa.Column(name, sa.Text) for name in texts),
        sa.Column("before", postgresql.JSONB),
        sa.Column("after", postgresql.JSONB),
        sa.Column("outcome", sa.Text, nullable=False),
        *(sa.Column(name, sa.Text) for name in ("note", "request_id", "address")),
        sa.PrimaryKeyConstraint("id", name="pk_audit_entries"),
        sa.UniqueConstraint("number", name="uq_audit_entries_number"),
        sa.CheckConstraint(
            "outcome IN ('begun', 'done', 'failed')", name="ck_audit_entries_outcome"
        ),
    )
    for column in ("who", "action", "target"):
        op.create_index(f"ix_audit_entries_{column}", "audit_entries", [column, "number"])
    op.create_index("ix_audit_entries_at", "audit_entries", ["at"])
    op.create_index(
        "ix_audit_entries_request_id",
        "audit_entries",
        ["request_id"],
        postgresql_where=sa.text("request_id IS NOT NULL"),
    )
    op.execute(AUDIT_GUARD)


def downgrade() -> None:
    op.drop_table("audit_entries")
    op.execute("DROP FUNCTION guard_audit_entries()")
    for table in ("form_keys", "login_failures", "operator_sessions", "operators"):
        op.drop_table(table)
