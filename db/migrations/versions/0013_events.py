"""Events for the bot: to be read, and to be delivered"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("sequence", sa.BigInteger()),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("telegram_id", sa.Text()),
        sa.Column("balance_tokens", sa.BigInteger()),
        sa.Column("client_ref", sa.Text()),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempt", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("attempts_before", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True)),
        sa.Column("last_status", sa.SmallInteger()),
        sa.Column("last_error", sa.Text()),
        sa.Column("delivered_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "state IN ('kept', 'pending', 'delivered', 'dead')", name=op.f("ck_events_state")
        ),
        sa.CheckConstraint(
            "(state = 'pending') = (next_at IS NOT NULL)", name=op.f("ck_events_pending_is_due")
        ),
        sa.CheckConstraint(
            "(state = 'delivered') = (delivered_at IS NOT NULL)", name=op.f("ck_events_delivered")
        ),
        sa.CheckConstraint(
            "(user_id IS NULL) = (telegram_id IS NULL)"
            " AND (user_id IS NULL) = (balance_tokens IS NULL)",
            name=op.f("ck_events_user"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.UniqueConstraint("sequence", name=op.f("uq_events_sequence")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_events_user_id")),
    )
    indexes: dict[str, tuple[list[str], str]] = {
        "unpublished": (["number"], "sequence IS NULL"),
        "due": (["next_at", "number"], "state = 'pending'"),
        "user_pending": (["user_id", "sequence"], "state = 'pending'"),
        "dead": (["number"], "state = 'dead'"),
        "old": (["created_at"], "state IN ('kept', 'delivered')"),
    }
    for name, (columns, where) in indexes.items():
        op.create_index(f"ix_events_{name}", "events", columns, postgresql_where=sa.text(where))
    op.execute("CREATE SEQUENCE events_sequence OWNED BY events.sequence")
    op.create_table(
        "event_cursor",
        sa.Column("single", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.CheckConstraint("single", name=op.f("ck_event_cursor_one_row")),
        sa.PrimaryKeyConstraint("single", name=op.f("pk_event_cursor")),
    )


def downgrade() -> None:
    op.drop_table("event_cursor")
    op.drop_table("events")
