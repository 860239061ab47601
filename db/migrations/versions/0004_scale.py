"""Indexes for lists of an owner, and for what is rare among millions: unpaid orders, files of live
jobs, money returned
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NEWEST = sa.text("number DESC NULLS LAST")
# name, table, columns, where, how
INDEXES: list[tuple[str, str, list[Any], str | None, dict[str, Any]]] = [
    ("ix_jobs_user_newest", "jobs", ["user_id", NEWEST], None, {}),
    ("ix_transactions_user_newest", "transactions", ["user_id", NEWEST], None, {}),
    ("ix_referrals_inviter_newest", "referrals", ["inviter_id", NEWEST], None, {}),
    ("ix_jobs_unpaid", "jobs", ["created_at"], "status = 'waiting_payment'", {}),
    (
        "ix_jobs_live_input",
        "jobs",
        ["input"],
        "status IN ('waiting_payment', 'queued', 'processing')",
        {
            "postgresql_using": "gin",
            "postgresql_ops": {"input": "jsonb_path_ops"},
            "postgresql_with": {"fastupdate": False},
        },
    ),
    ("ix_data_pending", "data", ["created_at"], "status = 'pending'", {}),
    (
        "ix_payments_returned",
        "payments",
        ["status", "number"],
        "status IN ('partly_refunded', 'refunded', 'disputed')",
        {},
    ),
    (
        "ix_payment_events_unapplied",
        "payment_events",
        ["state", "number"],
        "state <> 'applied'",
        {},
    ),
    ("ix_reviews_rejected", "reviews", ["number"], "state = 'rejected'", {}),
]
# name, table, columns, where
REPLACED: list[tuple[str, str, list[str], str | None]] = [
    ("ix_jobs_user", "jobs", ["user_id", "number"], None),
    ("ix_transactions_user", "transactions", ["user_id", "number"], None),
    ("ix_referrals_inviter", "referrals", ["inviter_id", "number"], None),
    (
        "ix_payment_events_open",
        "payment_events",
        ["number"],
        "state IN ('received', 'parked')",
    ),
]


def upgrade() -> None:
    # Orders go on meanwhile: each index is built without a lock on writes, however long that takes.
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '10min'")
        op.execute("SET statement_timeout = '1h'")
        for name, table, columns, where, how in INDEXES:
            # One that was cut off is there, but invalid.
            op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
            op.create_index(
                name, table, columns, postgresql_concurrently=True, **how, **_where(where)
            )
        for name, table, *_ in REPLACED:
            op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
        op.execute("SET lock_timeout = '5s'")
        op.execute("SET statement_timeout = '60s'")


def downgrade() -> None:
    for name, table, columns, where in REPLACED:
        op.create_index(name, table, columns, **_where(where))
    for name, table, *_ in reversed(INDEXES):
        op.drop_index(name, table_name=table)


def _where(condition: str | None) -> dict[str, Any]:
    return {"postgresql_where": sa.text(condition)} if condition else {}
