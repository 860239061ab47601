"""Several photos in one order: each is made, delivered or returned by itself"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

DELIVERED = "jsonb_array_length(jsonb_path_query_array(output, '$[*].dataId'))"
CHECKS = {
    "ck_jobs_photos": "photos >= 1 AND price_tokens % photos = 0"
    " AND (photos = 1 OR photos = jsonb_array_length(input))",
    "ck_jobs_results": "jsonb_array_length(results) < photos",
    "ck_jobs_output_when_done": "jsonb_array_length(output)"
    " = CASE WHEN status = 'done' THEN photos ELSE 0 END",
    "ck_jobs_consumed_when_done": "tokens_consumed = CASE WHEN status = 'done'"
    f" THEN price_tokens / photos * {DELIVERED} ELSE 0 END",
}
CONSUMED_BEFORE = "tokens_consumed = CASE WHEN status = 'done' THEN price_tokens ELSE 0 END"


def upgrade() -> None:
    # Each step commits by itself, so that rows are proved without a lock against writes; a step
    # that was cut off is done again. What servers of the version before write is one photo; a
    # worker of that version that takes an order of several cannot end it as done, and gives it back.
    with op.get_context().autocommit_block():
        op.execute(
            "ALTER TABLE jobs ADD COLUMN IF NOT EXISTS photos smallint NOT NULL DEFAULT 1,"
            " ADD COLUMN IF NOT EXISTS results jsonb NOT NULL DEFAULT '[]'"
        )
        op.execute("SET statement_timeout = '1h'")
        for name, rule in CHECKS.items():
            _check(name, rule)
        op.execute("SET statement_timeout = '60s'")


def downgrade() -> None:
    # Orders of several photos that were done would be wrong before: they must not exist any more.
    with op.get_context().autocommit_block():
        _check("ck_jobs_consumed_when_done", CONSUMED_BEFORE)
        for name in ("ck_jobs_output_when_done", "ck_jobs_results", "ck_jobs_photos"):
            op.execute(f"ALTER TABLE jobs DROP CONSTRAINT IF EXISTS {name}")
        op.execute("ALTER TABLE jobs DROP COLUMN IF EXISTS results, DROP COLUMN IF EXISTS photos")


def _check(name: str, rule: str) -> None:
    op.execute(
        f"ALTER TABLE jobs DROP CONSTRAINT IF EXISTS {name},"
        f" ADD CONSTRAINT {name} CHECK ({rule}) NOT VALID"
    )
    op.execute(f"ALTER TABLE jobs VALIDATE CONSTRAINT {name}")
