"""Users, files, jobs, the ledger with its guards, tariffs, idempotency keys"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

LEDGER_GUARDS = """
-- A row that moves tokens is final. The one thing that changes is a pending gateway_payment, once.
CREATE FUNCTION guard_transactions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.type = 'gateway_payment' AND OLD.status = 'pending'
       AND (NEW.id, NEW.number, NEW.user_id, NEW.type, NEW.amount_rub, NEW.tokens_delta)
         = (OLD.id, OLD.number, OLD.user_id, OLD.type, OLD.amount_rub, OLD.tokens_delta) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'transactions are append-only (% of %)', TG_OP, OLD.id
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER transactions_are_final BEFORE UPDATE OR DELETE ON transactions
    FOR EACH ROW EXECUTE FUNCTION guard_transactions();
CREATE TRIGGER transactions_are_kept BEFORE TRUNCATE ON transactions
    FOR EACH STATEMENT EXECUTE FUNCTION guard_transactions();

-- Each move continues the one before it, so that balance_after is the sum of all moves.
CREATE FUNCTION check_chain() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE previous bigint := 0;
BEGIN
    IF NEW.seq > 1 THEN
        SELECT balance_after INTO previous FROM transactions
        WHERE user_id = NEW.user_id AND seq = NEW.seq - 1;
    END IF;
    IF previous IS NULL OR previous + NEW.tokens_delta <> NEW.balance_after THEN
        RAISE EXCEPTION 'transaction % does not continue the ledger of user %', NEW.id, NEW.user_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER transactions_continue AFTER INSERT ON transactions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.seq IS NOT NULL)
    EXECUTE FUNCTION check_chain();

-- At commit the user's balance is that of the newest move: checked from both ends, since either
-- could be written alone.
CREATE FUNCTION check_balance() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE holder uuid; head record;
BEGIN
    IF TG_TABLE_NAME = 'users' THEN holder := NEW.id; ELSE holder := NEW.user_id; END IF;
    SELECT u.balance_tokens, u.ledger_seq, t.balance_after,
           EXISTS (SELECT FROM transactions n WHERE n.user_id = u.id AND n.seq > u.ledger_seq) AS behind
    INTO head
    FROM users u LEFT JOIN transactions t ON t.user_id = u.id AND t.seq = u.ledger_seq
    WHERE u.id = holder;
    IF head.behind OR head.balance_tokens <> coalesce(head.balance_after, 0)
       OR (head.balance_after IS NULL AND head.ledger_seq <> 0) THEN
        RAISE EXCEPTION 'balance of user % is not that of its newest transaction', holder
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER balance_has_its_move AFTER INSERT OR UPDATE OF balance_tokens, ledger_seq
    ON users DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_balance();
CREATE CONSTRAINT TRIGGER move_has_its_balance AFTER INSERT ON transactions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.seq IS NOT NULL)
    EXECUTE FUNCTION check_balance();
"""


def upgrade() -> None:
    op.create_table(
        "data",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("storage_key", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status <> 'confirmed' OR size_bytes > 0", name=op.f("ck_data_confirmed_has_size")
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'confirmed', 'deleted')", name=op.f("ck_data_status")
        ),
        sa.CheckConstraint(
            "type IN ('image', 'video', 'text', 'audio')", name=op.f("ck_data_type")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data")),
        sa.UniqueConstraint("storage_key", name=op.f("uq_data_storage_key")),
    )
    op.create_index(
        "ix_data_live_created_at",
        "data",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("status <> 'deleted'"),
    )
    op.create_index(
        "ix_data_purgeable",
        "data",
        ["id"],
        unique=False,
        postgresql_where=sa.text("status = 'deleted' AND deleted_at IS NULL"),
    )
    op.create_table(
        "generation_models",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("service_type", sa.Text(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("price_tokens", sa.BigInteger(), nullable=False),
        sa.Column("price_rub", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("is_default", sa.Boolean(), server_default="false", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "service_type IN ('animate', 'restore')", name=op.f("ck_generation_models_service_type")
        ),
        sa.CheckConstraint(
            "active OR NOT is_default", name=op.f("ck_generation_models_default_is_active")
        ),
        sa.CheckConstraint(
            "price_tokens > 0 AND price_rub > 0", name=op.f("ck_generation_models_price_positive")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_generation_models")),
        sa.UniqueConstraint("name", name=op.f("uq_generation_models_name")),
    )
    op.create_index(
        "uq_generation_models_default",
        "generation_models",
        ["service_type"],
        unique=True,
        postgresql_where=sa.text("is_default"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column(
            "body", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(status IS NULL) = (body IS NULL)", name=op.f("ck_idempotency_keys_answer_whole")
        ),
        sa.CheckConstraint(
            "char_length(key) BETWEEN 1 AND 255", name=op.f("ck_idempotency_keys_key_length")
        ),
        sa.PrimaryKeyConstraint("operation", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(
        op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"], unique=False
    )
    op.create_table(
        "tariffs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("monthly_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost_rub", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), server_default="RUB", nullable=False),
        sa.Column("active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("position", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "monthly_tokens > 0 AND cost_rub > 0", name=op.f("ck_tariffs_price_positive")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tariffs")),
        sa.UniqueConstraint("name", name=op.f("uq_tariffs_name")),
        sa.UniqueConstraint("number", name=op.f("uq_tariffs_number")),
    )
    op.create_index(
        "ix_tariffs_offered",
        "tariffs",
        ["position", "number"],
        unique=False,
        postgresql_where=sa.text("active"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("telegram_id", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=True),
        sa.Column("anon_user_id", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("avatar_url", sa.Text(), nullable=True),
        sa.Column("balance_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("ledger_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("ref_code", sa.Text(), nullable=False),
        sa.Column("referrer_id", sa.Uuid(), nullable=True),
        sa.Column("has_left_review", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("consent_pd", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("consent_pd_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("balance_tokens >= 0", name=op.f("ck_users_balance_not_negative")),
        sa.CheckConstraint("referrer_id <> id", name=op.f("ck_users_not_own_referrer")),
        sa.ForeignKeyConstraint(["referrer_id"], ["users.id"], name=op.f("fk_users_referrer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("ref_code", name=op.f("uq_users_ref_code")),
        sa.UniqueConstraint("telegram_id", name=op.f("uq_users_telegram_id")),
    )
    op.create_index(
        op.f("ix_users_referrer_id"),
        "users",
        ["referrer_id"],
        unique=False,
        postgresql_where=sa.text("referrer_id IS NOT NULL"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True, start=1001), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("service_type", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("price_tokens", sa.BigInteger(), nullable=False),
        sa.Column("price_rub", sa.BigInteger(), nullable=False),
        sa.Column("tokens_reserved", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tokens_consumed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("input", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "output",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
        sa.Column("result_data_id", sa.Uuid(), nullable=True),
        sa.Column("progress", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column(
            "meta",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("attempt", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column(
            "run_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'done') <= (result_data_id IS NOT NULL)",
            name=op.f("ck_jobs_done_has_result"),
        ),
        sa.CheckConstraint(
            "(status = 'processing') = (lease_until IS NOT NULL)", name=op.f("ck_jobs_lease")
        ),
        sa.CheckConstraint(
            "service_type IN ('animate', 'restore')", name=op.f("ck_jobs_service_type")
        ),
        sa.CheckConstraint(
            "status IN ('waiting_payment', 'queued', 'processing', 'done', 'failed')",
            name=op.f("ck_jobs_status"),
        ),
        sa.CheckConstraint(
            "tokens_consumed = CASE WHEN status = 'done' THEN price_tokens ELSE 0 END",
            name=op.f("ck_jobs_consumed_when_done"),
        ),
        sa.CheckConstraint(
            "tokens_reserved = CASE WHEN status IN ('queued', 'processing') THEN price_tokens ELSE 0 END",
            name=op.f("ck_jobs_reserved_while_live"),
        ),
        sa.CheckConstraint("char_length(description) <= 300", name=op.f("ck_jobs_description")),
        sa.CheckConstraint("progress BETWEEN 0 AND 100", name=op.f("ck_jobs_progress")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["generation_models.id"], name=op.f("fk_jobs_model_id")
        ),
        sa.ForeignKeyConstraint(
            ["result_data_id"], ["data.id"], name=op.f("fk_jobs_result_data_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_jobs_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("number", name=op.f("uq_jobs_number")),
    )
    op.create_index(
        "ix_jobs_leased",
        "jobs",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("status = 'processing'"),
    )
    op.create_index(
        "ix_jobs_queued",
        "jobs",
        ["run_at", "number"],
        unique=False,
        postgresql_where=sa.text("status = 'queued'"),
    )
    op.create_index(
        "ix_jobs_result",
        "jobs",
        ["result_data_id"],
        unique=False,
        postgresql_where=sa.text("result_data_id IS NOT NULL"),
    )
    op.create_index("ix_jobs_user", "jobs", ["user_id", "number"], unique=False)
    op.create_index(
        "ix_jobs_waiting",
        "jobs",
        ["user_id", "number"],
        unique=False,
        postgresql_where=sa.text("status = 'waiting_payment'"),
    )
    op.create_table(
        "transactions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="success", nullable=False),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("amount_rub", sa.BigInteger(), nullable=True),
        sa.Column("tokens_delta", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("balance_after", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("plan", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("bonus_key", sa.Text(), nullable=True),
        sa.Column(
            "meta",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "CASE type WHEN 'charge' THEN tokens_delta < 0 AND job_id IS NOT NULL WHEN 'purchase' THEN tokens_delta > 0 WHEN 'refund' THEN (job_id IS NOT NULL AND tokens_delta > 0) OR (job_id IS NULL AND tokens_delta <= 0 AND amount_rub < 0) WHEN 'promo' THEN tokens_delta <> 0 AND bonus_key IS NOT NULL ELSE tokens_delta = 0 AND amount_rub > 0 END",
            name=op.f("ck_transactions_signs"),
        ),
        sa.CheckConstraint(
            "provider IN ('yookassa', 'stripe', 'telegram', 'manual')",
            name=op.f("ck_transactions_provider"),
        ),
        sa.CheckConstraint(
            "status IN ('success', 'failed', 'pending')", name=op.f("ck_transactions_status")
        ),
        sa.CheckConstraint(
            "type = 'gateway_payment' OR status = 'success'",
            name=op.f("ck_transactions_moves_are_final"),
        ),
        sa.CheckConstraint(
            "type IN ('charge', 'purchase', 'refund', 'promo', 'gateway_payment')",
            name=op.f("ck_transactions_type"),
        ),
        sa.CheckConstraint(
            "(tokens_delta = 0) = (seq IS NULL) AND (seq IS NULL) = (balance_after IS NULL)",
            name=op.f("ck_transactions_moves_are_chained"),
        ),
        sa.CheckConstraint(
            "seq >= 1 AND balance_after >= 0", name=op.f("ck_transactions_chain_values")
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_transactions_job_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_transactions_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transactions")),
        sa.UniqueConstraint("job_id", "type", name=op.f("uq_transactions_job_id_type")),
        sa.UniqueConstraint("number", name=op.f("uq_transactions_number")),
        sa.UniqueConstraint("user_id", "bonus_key", name=op.f("uq_transactions_user_id_bonus_key")),
        sa.UniqueConstraint("user_id", "seq", name=op.f("uq_transactions_user_id_seq")),
    )
    op.create_index("ix_transactions_user", "transactions", ["user_id", "number"], unique=False)
    op.execute(LEDGER_GUARDS)


def downgrade() -> None:
    op.drop_index("ix_transactions_user", table_name="transactions")
    op.drop_table("transactions")
    op.drop_index(
        "ix_jobs_waiting", table_name="jobs", postgresql_where=sa.text("status = 'waiting_payment'")
    )
    op.drop_index("ix_jobs_user", table_name="jobs")
    op.drop_index(
        "ix_jobs_result", table_name="jobs", postgresql_where=sa.text("result_data_id IS NOT NULL")
    )
    op.drop_index(
        "ix_jobs_queued", table_name="jobs", postgresql_where=sa.text("status = 'queued'")
    )
    op.drop_index(
        "ix_jobs_leased", table_name="jobs", postgresql_where=sa.text("status = 'processing'")
    )
    op.drop_table("jobs")
    op.drop_index(
        op.f("ix_users_referrer_id"),
        table_name="users",
        postgresql_where=sa.text("referrer_id IS NOT NULL"),
    )
    op.drop_table("users")
    op.drop_index("ix_tariffs_offered", table_name="tariffs", postgresql_where=sa.text("active"))
    op.drop_table("tariffs")
    op.drop_index(op.f("ix_idempotency_keys_created_at"), table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_index(
        "uq_generation_models_default",
        table_name="generation_models",
        postgresql_where=sa.text("is_default"),
    )
    op.drop_table("generation_models")
    op.drop_index(
        "ix_data_purgeable",
        table_name="data",
        postgresql_where=sa.text("status = 'deleted' AND deleted_at IS NULL"),
    )
    op.drop_index(
        "ix_data_live_created_at",
        table_name="data",
        postgresql_where=sa.text("status <> 'deleted'"),
    )
    op.drop_table("data")
    op.execute("DROP FUNCTION guard_transactions, check_chain, check_balance")
