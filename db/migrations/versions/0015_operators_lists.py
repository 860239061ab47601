"""What the operator leafs through and searches comes from an index; orders and payments know their
request; people can be banned
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

LIVE = "status IN ('waiting_payment', 'queued', 'processing')"
FAILED = "status = 'failed'"
# name, what CREATE INDEX says after ON
INDEXES = [
    ("ix_users_newest", "users (created_at, id)"),
    ("ix_users_banned", "users (created_at, id) WHERE banned_at IS NOT NULL"),
    ("ix_users_username", "users (lower(username) text_pattern_ops)"),
    ("ix_jobs_newest", "jobs (created_at, number)"),
    ("ix_jobs_live", f"jobs (status, created_at, number) WHERE {LIVE}"),
    ("ix_jobs_failed", f"jobs (created_at, number) WHERE {FAILED}"),
    (
        "ix_jobs_failed_code",
        f"jobs ((meta #>> '{{error,code}}'), created_at, number) WHERE {FAILED}",
    ),
    ("ix_jobs_worker", "jobs (worker, created_at, number) WHERE worker IS NOT NULL"),
    ("ix_jobs_request", "jobs USING hash (request_id)"),
    ("ix_payments_newest", "payments (created_at, number)"),
    ("ix_payments_status", "payments (status, created_at, number)"),
    ("ix_payments_provider", "payments (provider, created_at, number)"),
    (
        "ix_payments_trouble",
        "payments (created_at, number)"
        " WHERE last_error IS NOT NULL AND status NOT IN ('canceled', 'expired')",
    ),
    ("ix_payments_request", "payments USING hash (request_id)"),
    ("ix_reviews_state", "reviews (state, number)"),
]
REPLACED = [
    (
        "ix_payments_returned",
        "payments (status, number) WHERE status IN ('partly_refunded', 'refunded', 'disputed')",
    ),
    ("ix_reviews_held", "reviews (number) WHERE state = 'held'"),
    ("ix_reviews_rejected", "reviews (number) WHERE state = 'rejected'"),
]


def upgrade() -> None:
    # Each step commits by itself: indexes are built without a lock against writes, and a step that
    # was cut off is done again. Servers of the version before go on meanwhile.
    with op.get_context().autocommit_block():
        op.execute(
            "ALTER TABLE users ADD COLUMN IF NOT EXISTS banned_at timestamptz,"
            " ADD COLUMN IF NOT EXISTS ban_reason text"
        )
        op.execute("ALTER TABLE users DROP CONSTRAINT IF EXISTS ck_users_ban_says_why")
        op.execute(
            "ALTER TABLE users ADD CONSTRAINT ck_users_ban_says_why"
            " CHECK ((banned_at IS NULL) = (ban_reason IS NULL)) NOT VALID"
        )
        op.execute("ALTER TABLE users VALIDATE CONSTRAINT ck_users_ban_says_why")
        op.execute("ALTER TABLE jobs ADD COLUMN IF NOT EXISTS request_id text")
        op.execute("ALTER TABLE payments ADD COLUMN IF NOT EXISTS request_id text")
        _build(INDEXES)
        _drop(REPLACED)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        _build(REPLACED)
        _drop(INDEXES)
        op.execute("ALTER TABLE payments DROP COLUMN IF EXISTS request_id")
        op.execute("ALTER TABLE jobs DROP COLUMN IF EXISTS request_id")
        op.execute(
            "ALTER TABLE users DROP COLUMN IF EXISTS banned_at, DROP COLUMN IF EXISTS ban_reason"
        )


def _build(indexes: list[tuple[str, str]]) -> None:
    op.execute("SET lock_timeout = '10min'")
    op.execute("SET statement_timeout = '1h'")
    for name, columns in indexes:
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {columns}")
    op.execute("SET lock_timeout = '5s'")
    op.execute("SET statement_timeout = '60s'")


def _drop(indexes: list[tuple[str, str]]) -> None:
    for name, _ in indexes:
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
