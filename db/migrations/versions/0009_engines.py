"""Models at providers, their engines with limits and breakers, what is ordered there; a queue each"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

OPEN = "state IN ('preparing', 'creating', 'unknown', 'running', 'fetching', 'cancelling')"
ENDED = "'done', 'failed', 'refused', 'canceled'"
TEXTS = {
    "animate-standard": (
        "Оживление",
        "Взгляд, моргание и лёгкая улыбка: короткое видео, 4 секунды",
    ),
    "restore-standard": ("Реставрация", "Убирает царапины и выцветание, увеличивает снимок вдвое"),
}
NEW_LEASE = "(status = 'processing' AND engine = 'embedded') = (lease_until IS NOT NULL)"
OLD_LEASE = "(status = 'processing') = (lease_until IS NOT NULL)"


def upgrade() -> None:
    _describe_models()
    op.create_table(
        "engines",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("max_in_flight", sa.BigInteger(), nullable=False),
        sa.Column("creates_per_minute", sa.BigInteger(), nullable=False),
        sa.Column("daily_cost", sa.BigInteger()),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("open_until", sa.DateTime(timezone=True)),
        sa.Column("open_code", sa.Text()),
        sa.Column("open_detail", sa.Text(), server_default="", nullable=False),
        sa.Column("trips", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("recent", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.CheckConstraint(
            "max_in_flight >= 0 AND creates_per_minute >= 0", name=op.f("ck_engines_limits")
        ),
        sa.CheckConstraint("daily_cost >= 0", name=op.f("ck_engines_daily_cost")),
        sa.CheckConstraint(
            "(open_code IS NULL) = (open_until IS NULL)", name=op.f("ck_engines_breaker")
        ),
        sa.CheckConstraint("recent ~ '^[sf]{0,10}$'", name=op.f("ck_engines_recent")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_engines")),
    )
    _create_attempts()
    # Each step commits by itself, so that rows are proved and indexes built without a lock against
    # writes; a step that was cut off is done again.
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '10min'")
        op.execute("SET statement_timeout = '1h'")
        op.execute(
            "ALTER TABLE jobs ADD COLUMN IF NOT EXISTS engine text NOT NULL DEFAULT 'embedded'"
        )
        _check_lease(NEW_LEASE)
        _index("ix_jobs_queued_remote", "engine, run_at, number", "engine <> 'embedded'")
        _index("ix_jobs_queued_new", "run_at, number", "engine = 'embedded'")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_jobs_queued")
        op.execute("ALTER INDEX ix_jobs_queued_new RENAME TO ix_jobs_queued")
        op.execute("SET lock_timeout = '5s'")
        op.execute("SET statement_timeout = '60s'")


def downgrade() -> None:
    op.drop_table("generation_attempts")
    op.drop_table("engines")
    op.drop_index("ix_jobs_queued_remote", table_name="jobs")
    op.drop_index("ix_jobs_queued", table_name="jobs")
    _check_lease(OLD_LEASE)
    op.drop_column("jobs", "engine")
    op.create_index(
        "ix_jobs_queued",
        "jobs",
        ["run_at", "number"],
        postgresql_where=sa.text("status = 'queued'"),
    )
    for name in ("recipe", "run_positive"):
        op.drop_constraint(op.f(f"ck_generation_models_{name}"), "generation_models")
    for name in (
        "title",
        "description",
        "usual_seconds",
        "recipe",
        "prompt",
        "run_cost",
        "run_currency",
        "max_result_bytes",
        "fallback_position",
    ):
        op.drop_column("generation_models", name)


def _describe_models() -> None:
    for column in (
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("usual_seconds", sa.BigInteger(), server_default="30", nullable=False),
        sa.Column("recipe", postgresql.JSONB()),
        sa.Column("prompt", sa.Text(), server_default="", nullable=False),
        sa.Column("run_cost", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("run_currency", sa.Text(), server_default="USD", nullable=False),
        sa.Column("max_result_bytes", sa.BigInteger(), server_default="47185920", nullable=False),
        sa.Column("fallback_position", sa.SmallInteger()),
    ):
        op.add_column("generation_models", column)
    models = sa.table(
        "generation_models", sa.column("name"), sa.column("title"), sa.column("description")
    )
    op.execute(models.update().values(title=models.c.name))
    for name, (title, description) in TEXTS.items():
        op.execute(
            models.update()
            .where(models.c.name == name)
            .values(title=title, description=description)
        )
    op.create_check_constraint(
        op.f("ck_generation_models_recipe"),
        "generation_models",
        "(engine = 'embedded') = (recipe IS NULL)",
    )
    op.create_check_constraint(
        op.f("ck_generation_models_run_positive"),
        "generation_models",
        "run_cost >= 0 AND usual_seconds > 0 AND max_result_bytes > 0",
    )


def _create_attempts() -> None:
    op.create_table(
        "generation_attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("input_index", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("paid_number", sa.SmallInteger()),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("recipe", postgresql.JSONB(), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("photo", sa.Text()),
        sa.Column("external_id", sa.Text()),
        sa.Column("result", sa.Text()),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("worker", sa.Text()),
        sa.Column("claims", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("progress", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("looks", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("missing", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("trouble", sa.Text()),
        sa.Column("error_code", sa.Text()),
        sa.Column("error_detail", sa.Text()),
        sa.Column("cost_estimate", sa.BigInteger(), nullable=False),
        sa.Column("cost_actual", sa.BigInteger()),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("charged", sa.Text(), server_default="no", nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        *_rules_of_attempts(),
    )
    table, still_open = "generation_attempts", sa.text("ended_at IS NULL")
    op.create_index(
        "uq_generation_attempts_open",
        table,
        ["job_id", "input_index"],
        unique=True,
        postgresql_where=still_open,
    )
    op.create_index("ix_generation_attempts_due", table, ["due_at"], postgresql_where=still_open)
    op.create_index(
        "ix_generation_attempts_in_flight", table, ["engine"], postgresql_where=still_open
    )
    op.create_index("ix_generation_attempts_engine", table, ["engine", "created_at"])


def _rules_of_attempts() -> list[sa.Constraint]:
    names = {
        "state": f"state IN ({OPEN[10:-1]}, {ENDED})",
        "charged": "charged IN ('no', 'yes', 'maybe')",
        "open_is_due": f"({OPEN}) = (due_at IS NOT NULL)",
        "ended": "(due_at IS NULL) = (ended_at IS NOT NULL)",
        "charged_was_sent": "charged = 'no' OR sent_at IS NOT NULL",
        "external_id": "state NOT IN ('running', 'fetching', 'done') OR external_id IS NOT NULL",
        "paid_number": "paid_number BETWEEN 1 AND 2",
        "paid_is_counted": "charged = 'no' OR cost_estimate = 0 OR paid_number IS NOT NULL",
        "progress": "progress BETWEEN 0 AND 100",
    }
    checks = [
        sa.CheckConstraint(rule, name=op.f(f"ck_generation_attempts_{name}"))
        for name, rule in names.items()
    ]
    keys = [("engine", "external_id"), ("job_id", "input_index", "number")]
    keys += [("job_id", "input_index", "paid_number")]
    return [
        *checks,
        sa.PrimaryKeyConstraint("id", name=op.f("pk_generation_attempts")),
        *(
            sa.UniqueConstraint(*key, name=op.f(f"uq_generation_attempts_{'_'.join(key)}"))
            for key in keys
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_generation_attempts_job_id")
        ),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["generation_models.id"],
            name=op.f("fk_generation_attempts_model_id"),
        ),
        sa.ForeignKeyConstraint(
            ["engine"], ["engines.name"], name=op.f("fk_generation_attempts_engine")
        ),
    ]


def _index(name: str, columns: str, of_engine: str) -> None:
    op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    op.execute(
        f"CREATE INDEX CONCURRENTLY {name} ON jobs ({columns})"
        f" WHERE status = 'queued' AND {of_engine}"
    )


def _check_lease(rule: str) -> None:
    op.execute(
        "ALTER TABLE jobs DROP CONSTRAINT IF EXISTS ck_jobs_lease,"
        f" ADD CONSTRAINT ck_jobs_lease CHECK ({rule}) NOT VALID"
    )
    op.execute("ALTER TABLE jobs VALIDATE CONSTRAINT ck_jobs_lease")
