"""Why a payment was not made, and when its customer last made us ask"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE payments ADD COLUMN IF NOT EXISTS decline_code text,"
        " ADD COLUMN IF NOT EXISTS asked_at timestamptz"
    )


def downgrade() -> None:
    op.execute(
        "ALTER TABLE payments DROP COLUMN IF EXISTS asked_at, DROP COLUMN IF EXISTS decline_code"
    )
