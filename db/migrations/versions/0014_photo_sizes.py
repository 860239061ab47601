"""How large a photo is, as its upload showed"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE data ADD COLUMN IF NOT EXISTS width bigint,"
        " ADD COLUMN IF NOT EXISTS height bigint"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE data DROP COLUMN IF EXISTS height, DROP COLUMN IF EXISTS width")
