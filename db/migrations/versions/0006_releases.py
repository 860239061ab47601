"""Attempts that were given back unfinished; no event is kept without its verdict"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TRIES = "releases BETWEEN 0 AND attempt"
VERDICTS = "state IN ('applied', 'ignored', 'parked')"
RECEIVED = "state IN ('received', 'applied', 'ignored', 'parked')"


def upgrade() -> None:
    # Each step commits by itself, so that rows are proved without a lock against writes; a step
    # that was cut off is done again.
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE jobs ADD COLUMN IF NOT EXISTS releases smallint NOT NULL DEFAULT 0")
        _check("jobs", "ck_jobs_releases", TRIES)
        op.execute("ALTER TABLE payment_events ALTER COLUMN state DROP DEFAULT")
        _check("payment_events", "ck_payment_events_state", VERDICTS)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        _check("payment_events", "ck_payment_events_state", RECEIVED)
        op.execute("ALTER TABLE payment_events ALTER COLUMN state SET DEFAULT 'received'")
        op.execute("ALTER TABLE jobs DROP CONSTRAINT IF EXISTS ck_jobs_releases")
        op.execute("ALTER TABLE jobs DROP COLUMN IF EXISTS releases")


def _check(table: str, name: str, rule: str) -> None:
    op.execute(
        f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name},"
        f" ADD CONSTRAINT {name} CHECK ({rule}) NOT VALID"
    )
    op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")
