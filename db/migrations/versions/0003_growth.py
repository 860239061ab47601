"""Referrals, reviews, lotteries"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table(
        "lotteries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("start_date", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_date", sa.DateTime(timezone=True), nullable=False),
        sa.Column("prizes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("seed", sa.Text(), nullable=False),
        sa.Column("seed_hash", sa.Text(), nullable=False),
        sa.Column("entries_hash", sa.Text(), nullable=True),
        sa.Column("drawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("canceled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        postgresql.ExcludeConstraint(
            (sa.text("tstzrange(start_date, end_date)"), "&&"),
            where=sa.text("canceled_at IS NULL"),
            using="gist",
            name="one_current",
        ),
        sa.CheckConstraint(
            "(drawn_at IS NULL) = (entries_hash IS NULL)",
            name=op.f("ck_lotteries_drawn_over_entries"),
        ),
        sa.CheckConstraint("drawn_at >= end_date", name=op.f("ck_lotteries_drawn_after_end")),
        sa.CheckConstraint(
            "drawn_at IS NULL OR canceled_at IS NULL", name=op.f("ck_lotteries_drawn_or_canceled")
        ),
        sa.CheckConstraint("start_date < end_date", name=op.f("ck_lotteries_period")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lotteries")),
        sa.UniqueConstraint("number", name=op.f("uq_lotteries_number")),
    )
    op.create_index(
        "ix_lotteries_undrawn",
        "lotteries",
        ["end_date"],
        unique=False,
        postgresql_where=sa.text("drawn_at IS NULL AND canceled_at IS NULL"),
    )
    op.create_table(
        "lottery_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("lottery_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("referral_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "social_links",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
        sa.Column("reward_given", sa.Boolean(), server_default="false", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "jsonb_array_length(social_links) <= 20", name=op.f("ck_lottery_entries_links_bounded")
        ),
        sa.CheckConstraint(
            "referral_count >= 0", name=op.f("ck_lottery_entries_referrals_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["lottery_id"], ["lotteries.id"], name=op.f("fk_lottery_entries_lottery_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_lottery_entries_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lottery_entries")),
        sa.UniqueConstraint(
            "lottery_id", "user_id", name=op.f("uq_lottery_entries_lottery_id_user_id")
        ),
        sa.UniqueConstraint("number", name=op.f("uq_lottery_entries_number")),
    )
    op.create_index("ix_lottery_entries_user", "lottery_entries", ["user_id"], unique=False)
    op.create_table(
        "reviews",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("chat", sa.Text(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("author_telegram_id", sa.Text(), nullable=True),
        sa.Column("text_sha256", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="seen", nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(state = 'rewarded') = (user_id IS NOT NULL)",
            name=op.f("ck_reviews_rewarded_has_user"),
        ),
        sa.CheckConstraint(
            "state IN ('seen', 'rewarded', 'rejected')", name=op.f("ck_reviews_state")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_reviews_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
        sa.UniqueConstraint("chat", "message_id", name=op.f("uq_reviews_chat_message_id")),
        sa.UniqueConstraint("number", name=op.f("uq_reviews_number")),
    )
    op.create_index(
        "ix_reviews_author",
        "reviews",
        ["author_telegram_id", "number"],
        unique=False,
        postgresql_where=sa.text("state = 'seen'"),
    )
    op.create_index(
        "uq_reviews_user",
        "reviews",
        ["user_id"],
        unique=True,
        postgresql_where=sa.text("user_id IS NOT NULL"),
    )
    op.create_table(
        "lottery_winners",
        sa.Column("lottery_id", sa.Uuid(), nullable=False),
        sa.Column("round", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column("place", sa.SmallInteger(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("prize", sa.Text(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(round = 1) = (reason IS NULL)", name=op.f("ck_lottery_winners_redraw_says_why")
        ),
        sa.CheckConstraint("place >= 1 AND tokens >= 0", name=op.f("ck_lottery_winners_values")),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["lottery_entries.id"], name=op.f("fk_lottery_winners_entry_id")
        ),
        sa.ForeignKeyConstraint(
            ["lottery_id"], ["lotteries.id"], name=op.f("fk_lottery_winners_lottery_id")
        ),
        sa.PrimaryKeyConstraint("lottery_id", "round", "place", name=op.f("pk_lottery_winners")),
        sa.UniqueConstraint(
            "lottery_id",
            "entry_id",
            "round",
            name=op.f("uq_lottery_winners_lottery_id_entry_id_round"),
        ),
    )
    op.create_index("ix_lottery_winners_entry", "lottery_winners", ["entry_id"], unique=False)
    op.create_table(
        "referrals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("inviter_id", sa.Uuid(), nullable=False),
        sa.Column("invitee_id", sa.Uuid(), nullable=False),
        sa.Column("invitee_paid", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("reward_given", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("reward_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.Column("returned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "invitee_paid = (payment_id IS NOT NULL)", name=op.f("ck_referrals_paid_by_a_payment")
        ),
        sa.CheckConstraint("inviter_id <> invitee_id", name=op.f("ck_referrals_not_oneself")),
        sa.CheckConstraint("reward_tokens >= 0", name=op.f("ck_referrals_reward_not_negative")),
        sa.ForeignKeyConstraint(["invitee_id"], ["users.id"], name=op.f("fk_referrals_invitee_id")),
        sa.ForeignKeyConstraint(["inviter_id"], ["users.id"], name=op.f("fk_referrals_inviter_id")),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_referrals_payment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_referrals")),
        sa.UniqueConstraint("invitee_id", name=op.f("uq_referrals_invitee_id")),
        sa.UniqueConstraint("number", name=op.f("uq_referrals_number")),
        sa.UniqueConstraint("payment_id", name=op.f("uq_referrals_payment_id")),
    )
    op.create_index("ix_referrals_inviter", "referrals", ["inviter_id", "number"], unique=False)
    op.execute(
        "INSERT INTO referrals (id, inviter_id, invitee_id, created_at)"
        " SELECT gen_random_uuid(), referrer_id, id, created_at FROM users"
        " WHERE referrer_id IS NOT NULL ORDER BY created_at"
    )
    # Who has paid already has: the inviter's reward is for the first payment only.
    op.execute(
        "UPDATE referrals SET invitee_paid = true, payment_id = first.id"
        " FROM (SELECT DISTINCT ON (user_id) user_id, id FROM payments WHERE paid_at IS NOT NULL"
        " ORDER BY user_id, paid_at, number) first"
        " WHERE first.user_id = referrals.invitee_id"
    )


def downgrade() -> None:

    op.drop_index("ix_referrals_inviter", table_name="referrals")
    op.drop_table("referrals")
    op.drop_index("ix_lottery_winners_entry", table_name="lottery_winners")
    op.drop_table("lottery_winners")
    op.drop_index(
        "uq_reviews_user", table_name="reviews", postgresql_where=sa.text("user_id IS NOT NULL")
    )
    op.drop_index(
        "ix_reviews_author", table_name="reviews", postgresql_where=sa.text("state = 'seen'")
    )
    op.drop_table("reviews")
    op.drop_index("ix_lottery_entries_user", table_name="lottery_entries")
    op.drop_table("lottery_entries")
    op.drop_index(
        "ix_lotteries_undrawn",
        table_name="lotteries",
        postgresql_where=sa.text("drawn_at IS NULL AND canceled_at IS NULL"),
    )
    op.drop_table("lotteries")
