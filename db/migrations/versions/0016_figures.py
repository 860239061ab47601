"""Figures of each day, proofs of the books, and the indexes that they are computed by"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

BRIN = {
    "postgresql_using": "brin",
    "postgresql_with": {"pages_per_range": 64, "autosummarize": True},
}
# name, table, columns, where, how
INDEXES: list[tuple[str, str, list[str], str | None, dict[str, Any]]] = [
    ("ix_transactions_created", "transactions", ["created_at"], None, BRIN),
    ("ix_jobs_finished", "jobs", ["finished_at"], None, BRIN),
    ("ix_jobs_failed_at", "jobs", ["finished_at"], "status = 'failed'", {}),
    (
        "ix_generation_attempts_charged",
        "generation_attempts",
        ["ended_at"],
        "charged <> 'no' AND ended_at IS NOT NULL",
        {},
    ),
]
KINDS = (
    "'paid', 'returned', 'moved', 'done', 'failed', 'engine_seconds', 'engine_cost',"
    " 'wait_p50', 'wait_p95', 'work_p50', 'work_p95'"
)


def upgrade() -> None:
    op.execute("ALTER TABLE jobs ADD COLUMN IF NOT EXISTS started_at timestamptz")
    _create_tables()
    # Orders go on meanwhile: each index is built without a lock on writes.
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '10min'")
        op.execute("SET statement_timeout = '1h'")
        for name, table, columns, where, how in INDEXES:
            # One that was cut off is there, but invalid.
            op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
            condition = {"postgresql_where": sa.text(where)} if where else {}
            op.create_index(name, table, columns, postgresql_concurrently=True, **how, **condition)
        op.execute("SET lock_timeout = '5s'")
        op.execute("SET statement_timeout = '60s'")


def _create_tables() -> None:
    amount, moment = sa.BigInteger(), sa.DateTime(timezone=True)
    op.create_table(
        "daily_figures",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("dimension", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("rub", amount, server_default="0", nullable=False),
        sa.Column("tokens", amount, server_default="0", nullable=False),
        sa.Column("cost", amount, server_default="0", nullable=False),
        sa.CheckConstraint(f"kind IN ({KINDS})", name=op.f("ck_daily_figures_kind")),
        sa.PrimaryKeyConstraint("day", "kind", "dimension", name=op.f("pk_daily_figures")),
    )
    op.create_index("ix_daily_figures_kind", "daily_figures", ["kind", "day"])
    op.create_table(
        "cohort_figures",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("registered_on", sa.Date(), nullable=False),
        sa.Column("people", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "step IN ('registered', 'photo', 'order', 'payment')",
            name=op.f("ck_cohort_figures_step"),
        ),
        sa.PrimaryKeyConstraint("day", "step", "registered_on", name=op.f("pk_cohort_figures")),
    )
    op.create_index("ix_cohort_figures_registered", "cohort_figures", ["registered_on"])
    op.create_table(
        "figure_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("computed_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_figure_days")),
    )
    op.create_table(
        "checks",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("checked_at", moment, server_default=sa.func.now(), nullable=False),
        sa.Column("milliseconds", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("violations", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.CheckConstraint("subject IN ('ledger', 'figures')", name=op.f("ck_checks_subject")),
        sa.CheckConstraint("milliseconds >= 0 AND rows >= 0", name=op.f("ck_checks_counts")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_checks")),
    )
    op.create_index("ix_checks_newest", "checks", ["subject", sa.text("number DESC NULLS LAST")])
    op.create_table(
        "asked_checks",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("asked_at", moment, server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint(
            "subject IN ('ledger', 'figures')", name=op.f("ck_asked_checks_subject")
        ),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_asked_checks")),
    )


def downgrade() -> None:
    for name, table, *_ in reversed(INDEXES):
        op.drop_index(name, table_name=table)
    for table in ("asked_checks", "checks", "figure_days", "cohort_figures", "daily_figures"):
        op.drop_table(table)
    op.execute("ALTER TABLE jobs DROP COLUMN IF EXISTS started_at")
