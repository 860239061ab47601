"""Reviews that copy somebody's words are held, and their length in words is known; events that were
applied and that the operator should look at are found at once
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STATES = "state IN ('seen', 'held', 'rewarded', 'rejected')"
STATES_BEFORE = "state IN ('seen', 'rewarded', 'rejected')"
# name, table, columns, where
INDEXES = [
    ("ix_reviews_rewarded_text", "reviews", ["text_sha256"], "state = 'rewarded'"),
    ("ix_reviews_held", "reviews", ["number"], "state = 'held'"),
    (
        "ix_payment_events_flagged",
        "payment_events",
        ["number"],
        "state = 'applied' AND reason IS NOT NULL",
    ),
]


def upgrade() -> None:
    # Each step commits by itself: rows are proved and indexes built without a lock against writes;
    # a step that was cut off is done again. Servers of the version before go on meanwhile.
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE reviews ADD COLUMN IF NOT EXISTS prose_length bigint")
        _check("reviews", "ck_reviews_prose_length", "prose_length >= 0")
        _check("reviews", "ck_reviews_state", STATES)
        op.execute("SET lock_timeout = '10min'")
        op.execute("SET statement_timeout = '1h'")
        for name, table, columns, where in INDEXES:
            op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
            op.create_index(
                name,
                table,
                columns,
                postgresql_where=sa.text(where),
                postgresql_concurrently=True,
            )
        op.execute("SET lock_timeout = '5s'")
        op.execute("SET statement_timeout = '60s'")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for name, table, *_ in reversed(INDEXES):
            op.drop_index(name, table, if_exists=True)
        op.execute("UPDATE reviews SET state = 'seen', note = NULL WHERE state = 'held'")
        _check("reviews", "ck_reviews_state", STATES_BEFORE)
        op.execute("ALTER TABLE reviews DROP COLUMN IF EXISTS prose_length")


def _check(table: str, name: str, rule: str) -> None:
    op.execute(
        f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name},"
        f" ADD CONSTRAINT {name} CHECK ({rule}) NOT VALID"
    )
    op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")
