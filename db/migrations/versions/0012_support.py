"""Requests to the operator; what was agreed to, and where receipts go"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE users ADD COLUMN IF NOT EXISTS consent_version text")
    op.execute("ALTER TABLE payments ADD COLUMN IF NOT EXISTS receipt_email text")
    op.create_table(
        "support_requests",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("payment_id", sa.Uuid),
        sa.Column("job_id", sa.Uuid),
        sa.Column("client_ref", sa.Text),
        sa.Column("status", sa.Text, server_default="open", nullable=False),
        sa.Column("answer", sa.Text),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_support_requests"),
        sa.UniqueConstraint("number", name="uq_support_requests_number"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_support_requests_user_id"),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name="fk_support_requests_payment_id"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_support_requests_job_id"),
        sa.CheckConstraint("topic IN ('refund', 'help')", name="ck_support_requests_topic"),
        sa.CheckConstraint("status IN ('open', 'closed')", name="ck_support_requests_status"),
        sa.CheckConstraint(
            "char_length(message) BETWEEN 1 AND 2000", name="ck_support_requests_message"
        ),
        sa.CheckConstraint("char_length(client_ref) <= 200", name="ck_support_requests_client_ref"),
        sa.CheckConstraint(
            "(status = 'closed') = (closed_at IS NOT NULL)",
            name="ck_support_requests_closed_at_when_closed",
        ),
    )
    op.create_index("ix_support_requests_user", "support_requests", ["user_id", "created_at"])
    op.create_index(
        "ix_support_requests_open",
        "support_requests",
        ["number"],
        postgresql_where=sa.text("status = 'open'"),
    )


def downgrade() -> None:
    op.drop_table("support_requests")
    op.execute("ALTER TABLE payments DROP COLUMN IF EXISTS receipt_email")
    op.execute("ALTER TABLE users DROP COLUMN IF EXISTS consent_version")
