"""People's data: consents with their history, erased accounts, what a file is for"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# A row of the ledger stays final, but what it says in words may go with the person it is about:
# only then, and only the words.
GUARD = """
CREATE OR REPLACE FUNCTION guard_transactions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.type = 'gateway_payment' AND OLD.status = 'pending'
       AND (NEW.id, NEW.number, NEW.user_id, NEW.type, NEW.amount_rub, NEW.tokens_delta)
         = (OLD.id, OLD.number, OLD.user_id, OLD.type, OLD.amount_rub, OLD.tokens_delta) THEN
        RETURN NEW;
    END IF;
    %s
    RAISE EXCEPTION 'transactions are append-only (%% of %%)', TG_OP, OLD.id
        USING ERRCODE = 'restrict_violation';
END $$;
"""
ERASURE = """
    IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - '{meta,bonus_key}'::text[]
                          = to_jsonb(OLD) - '{meta,bonus_key}'::text[]
       AND EXISTS (SELECT FROM users WHERE id = OLD.user_id AND erased_at IS NOT NULL) THEN
        RETURN NEW;
    END IF;"""
# The same for what operators said of them.
AUDIT_GUARD = """
CREATE OR REPLACE FUNCTION guard_audit_entries() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    kind text := split_part(OLD.target, ':', 1);
    name text := split_part(OLD.target, ':', 2);
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.reason, NEW.key, NEW.note) IS NOT DISTINCT FROM (NULL, NULL, NULL)
       AND to_jsonb(NEW) - '{reason,key,note}'::text[] = to_jsonb(OLD) - '{reason,key,note}'::text[]
       AND EXISTS (SELECT FROM users WHERE erased_at IS NOT NULL AND id = CASE kind
           WHEN 'user' THEN name::uuid
           WHEN 'job' THEN (SELECT user_id FROM jobs WHERE id = name::uuid)
           WHEN 'payment' THEN (SELECT user_id FROM payments WHERE id = name::uuid)
           WHEN 'support' THEN (SELECT user_id FROM support_requests WHERE number = name::bigint)
       END) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'audit entries are append-only (%)', TG_OP
        USING ERRCODE = 'restrict_violation';
END $$;
"""
AUDIT_GUARD_BEFORE = """
CREATE OR REPLACE FUNCTION guard_audit_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit entries are append-only (%)', TG_OP
        USING ERRCODE = 'restrict_violation';
END $$;
"""
CONSENTS = """
CREATE FUNCTION keep_consent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO consents (user_id, agreed, version, created_at)
    VALUES (NEW.id, NEW.consent_pd, NEW.consent_version, coalesce(NEW.consent_pd_at, now()));
    RETURN NULL;
END $$;
CREATE TRIGGER consents_are_kept AFTER UPDATE OF consent_pd ON users FOR EACH ROW
    WHEN (OLD.consent_pd OR NEW.consent_pd) EXECUTE FUNCTION keep_consent();
-- What people have agreed to so far; the time of the last word is all that was kept.
INSERT INTO consents (user_id, agreed, version, created_at)
    SELECT id, true, consent_version, coalesce(consent_pd_at, updated_at)
    FROM users WHERE consent_pd ORDER BY consent_pd_at;
"""
# name, table, columns, where
INDEXES: list[tuple[str, str, list[str], str | None]] = [
    ("ix_data_kept", "data", ["purpose", "created_at"], "status = 'confirmed'"),
    ("ix_events_user", "events", ["user_id"], None),
    (
        "ix_payment_events_whole",
        "payment_events",
        ["received_at"],
        "state <> 'parked' AND notice ? 'raw'",
    ),
    ("ix_support_requests_closed", "support_requests", ["closed_at"], "status = 'closed'"),
]


def upgrade() -> None:
    # Each step of this block commits by itself, so that nothing holds a lock against writes for
    # long; a step that was cut off is done again.
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE users ADD COLUMN IF NOT EXISTS erased_at timestamptz")
        op.execute(
            "ALTER TABLE data ADD COLUMN IF NOT EXISTS purpose text NOT NULL DEFAULT 'unknown'"
        )
        op.execute("SET lock_timeout = '10min'")
        op.execute("SET statement_timeout = '1h'")
        _check("data", "ck_data_purpose", "purpose IN ('unknown', 'unused', 'photo', 'result')")
        for name, table, columns, where in INDEXES:
            op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
            op.create_index(
                name,
                table,
                columns,
                postgresql_where=where and sa.text(where),
                postgresql_concurrently=True,
            )
        op.drop_index(
            "ix_data_live_created_at", "data", if_exists=True, postgresql_concurrently=True
        )
        op.execute("SET lock_timeout = '5s'")
        op.execute("SET statement_timeout = '60s'")
    _create_tables()
    op.execute(CONSENTS)
    op.execute(GUARD % ERASURE)
    op.execute(AUDIT_GUARD)


def _create_tables() -> None:
    op.create_table(
        "consents",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("agreed", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Text()),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
        sa.UniqueConstraint("number", name=op.f("uq_consents_number")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_consents_user_id")),
    )
    op.create_index("ix_consents_user", "consents", ["user_id", "number"])
    op.create_table(
        "erased_accounts",
        sa.Column("account_hash", sa.Text(), nullable=False),
        sa.Column("bonus_keys", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("was_banned", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column(
            "erased_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.PrimaryKeyConstraint("account_hash", name=op.f("pk_erased_accounts")),
    )


def downgrade() -> None:
    op.create_index(
        "ix_data_live_created_at",
        "data",
        ["created_at"],
        postgresql_where=sa.text("status <> 'deleted'"),
    )
    for name, table, *_ in reversed(INDEXES):
        op.drop_index(name, table)
    op.execute(AUDIT_GUARD_BEFORE)
    op.execute(GUARD % "")
    op.execute("DROP TRIGGER consents_are_kept ON users")
    op.execute("DROP FUNCTION keep_consent")
    op.drop_table("erased_accounts")
    op.drop_table("consents")
    op.drop_column("data", "purpose")
    op.drop_column("users", "erased_at")


def _check(table: str, name: str, rule: str) -> None:
    op.execute(
        f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name},"
        f" ADD CONSTRAINT {name} CHECK ({rule}) NOT VALID"
    )
    op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")
