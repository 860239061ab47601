"""Payments, the inbox of their events, and the ledger rows that belong to them"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SIGNS_BEFORE = "CASE type WHEN 'charge' THEN tokens_delta < 0 AND job_id IS NOT NULL WHEN 'purchase' THEN tokens_delta > 0 WHEN 'refund' THEN (job_id IS NOT NULL AND tokens_delta > 0) OR (job_id IS NULL AND tokens_delta <= 0 AND amount_rub < 0) WHEN 'promo' THEN tokens_delta <> 0 AND bonus_key IS NOT NULL ELSE tokens_delta = 0 AND amount_rub > 0 END"
SIGNS = "CASE type WHEN 'charge' THEN tokens_delta < 0 AND job_id IS NOT NULL WHEN 'purchase' THEN tokens_delta > 0 AND payment_id IS NOT NULL WHEN 'refund' THEN (job_id IS NOT NULL AND tokens_delta > 0) OR (job_id IS NULL AND payment_id IS NOT NULL AND coalesce(amount_rub, 0) <> 0 AND sign(tokens_delta) IN (0, sign(amount_rub))) WHEN 'promo' THEN tokens_delta <> 0 AND bonus_key IS NOT NULL ELSE tokens_delta = 0 AND coalesce(amount_rub, 0) > 0 AND payment_id IS NOT NULL END"


def upgrade() -> None:
    op.create_table(
        "payments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("amount_rub", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("tariff_id", sa.Uuid(), nullable=True),
        sa.Column("plan", sa.Text(), nullable=True),
        sa.Column("asked_minor", sa.BigInteger(), nullable=False),
        sa.Column("asked_currency", sa.Text(), nullable=False),
        sa.Column("payer_telegram_id", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("charge_reference", sa.Text(), nullable=True),
        sa.Column("payment_url", sa.Text(), nullable=True),
        sa.Column("refunded_rub", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("refunded_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("shortfall_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("repeats_id", sa.Uuid(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_check_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checks", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
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
        sa.CheckConstraint(
            "(status IN ('succeeded', 'partly_refunded', 'refunded', 'disputed')) = (paid_at IS NOT NULL)",
            name=op.f("ck_payments_paid_at_when_paid"),
        ),
        sa.CheckConstraint(
            "provider IN ('yookassa', 'stripe', 'telegram')", name=op.f("ck_payments_provider")
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'succeeded', 'canceled', 'expired', 'partly_refunded', 'refunded', 'disputed')",
            name=op.f("ck_payments_status"),
        ),
        sa.CheckConstraint("asked_minor > 0", name=op.f("ck_payments_asked_positive")),
        sa.CheckConstraint(
            "amount_rub > 0 AND tokens > 0", name=op.f("ck_payments_amounts_positive")
        ),
        sa.CheckConstraint(
            "refunded_rub BETWEEN 0 AND amount_rub AND refunded_tokens >= 0 AND shortfall_tokens >= 0 AND refunded_tokens + shortfall_tokens <= tokens",
            name=op.f("ck_payments_refunds_within_payment"),
        ),
        sa.ForeignKeyConstraint(
            ["repeats_id"], ["payments.id"], name=op.f("fk_payments_repeats_id")
        ),
        sa.ForeignKeyConstraint(["tariff_id"], ["tariffs.id"], name=op.f("fk_payments_tariff_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_payments_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments")),
        sa.UniqueConstraint("number", name=op.f("uq_payments_number")),
        sa.UniqueConstraint(
            "provider", "charge_reference", name=op.f("uq_payments_provider_charge_reference")
        ),
        sa.UniqueConstraint("provider", "reference", name=op.f("uq_payments_provider_reference")),
    )
    op.create_index(
        "ix_payments_due",
        "payments",
        ["next_check_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index("ix_payments_user", "payments", ["user_id", "number"], unique=False)
    op.create_table(
        "payment_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("event_key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="received", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.Column("notice", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'parked') <= (reason IS NOT NULL)",
            name=op.f("ck_payment_events_parked_says_why"),
        ),
        sa.CheckConstraint(
            "provider IN ('yookassa', 'stripe', 'telegram')",
            name=op.f("ck_payment_events_provider"),
        ),
        sa.CheckConstraint(
            "state IN ('received', 'applied', 'ignored', 'parked')",
            name=op.f("ck_payment_events_state"),
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_payment_events_payment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_events")),
        sa.UniqueConstraint("number", name=op.f("uq_payment_events_number")),
        sa.UniqueConstraint(
            "provider", "event_key", name=op.f("uq_payment_events_provider_event_key")
        ),
    )
    op.create_index(
        "ix_payment_events_open",
        "payment_events",
        ["number"],
        unique=False,
        postgresql_where=sa.text("state IN ('received', 'parked')"),
    )
    op.create_index("ix_payment_events_payment", "payment_events", ["payment_id"], unique=False)
    op.add_column("idempotency_keys", sa.Column("payment_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_idempotency_keys_payment_id"),
        "idempotency_keys",
        "payments",
        ["payment_id"],
        ["id"],
    )
    op.add_column("transactions", sa.Column("payment_id", sa.Uuid(), nullable=True))
    op.create_index(
        "uq_transactions_gateway_payment",
        "transactions",
        ["payment_id"],
        unique=True,
        postgresql_where=sa.text("type = 'gateway_payment' AND status <> 'failed'"),
    )
    op.create_index(
        "uq_transactions_payment_refund",
        "transactions",
        ["payment_id", "reference"],
        unique=True,
        postgresql_where=sa.text("type = 'refund' AND payment_id IS NOT NULL"),
    )
    op.create_index(
        "uq_transactions_purchase",
        "transactions",
        ["payment_id"],
        unique=True,
        postgresql_where=sa.text("type = 'purchase'"),
    )
    op.create_foreign_key(
        op.f("fk_transactions_payment_id"), "transactions", "payments", ["payment_id"], ["id"]
    )
    _replace_signs(SIGNS)


def downgrade() -> None:
    _replace_signs(SIGNS_BEFORE)
    op.drop_constraint(op.f("fk_transactions_payment_id"), "transactions", type_="foreignkey")
    op.drop_index(
        "uq_transactions_purchase",
        table_name="transactions",
        postgresql_where=sa.text("type = 'purchase'"),
    )
    op.drop_index(
        "uq_transactions_payment_refund",
        table_name="transactions",
        postgresql_where=sa.text("type = 'refund' AND payment_id IS NOT NULL"),
    )
    op.drop_index(
        "uq_transactions_gateway_payment",
        table_name="transactions",
        postgresql_where=sa.text("type = 'gateway_payment' AND status <> 'failed'"),
    )
    op.drop_column("transactions", "payment_id")
    op.drop_constraint(
        op.f("fk_idempotency_keys_payment_id"), "idempotency_keys", type_="foreignkey"
    )
    op.drop_column("idempotency_keys", "payment_id")
    op.drop_index("ix_payment_events_payment", table_name="payment_events")
    op.drop_index(
        "ix_payment_events_open",
        table_name="payment_events",
        postgresql_where=sa.text("state IN ('received', 'parked')"),
    )
    op.drop_table("payment_events")
    op.drop_index("ix_payments_user", table_name="payments")
    op.drop_index(
        "ix_payments_due", table_name="payments", postgresql_where=sa.text("status = 'pending'")
    )
    op.drop_table("payments")


def _replace_signs(condition: str) -> None:
    op.drop_constraint("ck_transactions_signs", "transactions")
    op.create_check_constraint("signs", "transactions", condition)
