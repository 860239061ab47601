"""What the bot wants to find again beside an order and a payment: its own reference"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLES = ("jobs", "payments")


def upgrade() -> None:
    # Each step commits by itself, so that rows are proved without a lock against writes; a step
    # that was cut off is done again.
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = '1h'")
        for table in TABLES:
            op.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS client_ref text")
            rule = f"ck_{table}_client_ref"
            op.execute(
                f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {rule},"
                f" ADD CONSTRAINT {rule} CHECK (char_length(client_ref) <= 200) NOT VALID"
            )
            op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {rule}")
        op.execute("SET statement_timeout = '60s'")


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} DROP COLUMN IF EXISTS client_ref")
