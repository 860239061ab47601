"""What several hosts agree on: counts of rate limits, and which folder has the photos"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rate_windows",
        sa.Column("key", sa.Uuid, nullable=False),
        sa.Column("used", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_rate_windows"),
        prefixes=["UNLOGGED"],
    )
    # Half of each page is left for the next versions of its rows, which then need no index entry.
    op.execute("ALTER TABLE rate_windows SET (fillfactor = 50)")
    op.create_table(
        "photo_folder",
        sa.Column("single", sa.Boolean, server_default=sa.true(), nullable=False),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column(
            "named_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.CheckConstraint("single", name="ck_photo_folder_one_row"),
        sa.PrimaryKeyConstraint("single", name="pk_photo_folder"),
    )


def downgrade() -> None:
    op.drop_table("photo_folder")
    op.drop_table("rate_windows")
