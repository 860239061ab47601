"""How many faces a photo shows, once somebody has looked"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE data ADD COLUMN IF NOT EXISTS faces bigint")


def downgrade() -> None:
    op.execute("ALTER TABLE data DROP COLUMN IF EXISTS faces")
