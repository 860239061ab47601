"""How long a model has taken for a photo lately"""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE generation_models ADD COLUMN IF NOT EXISTS measured_seconds bigint")


def downgrade() -> None:
    op.execute("ALTER TABLE generation_models DROP COLUMN IF EXISTS measured_seconds")
