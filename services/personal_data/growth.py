"""Invitations, reviews, lotteries."""

from __future__ import annotations

from sqlalchemy import and_, case, exists, func, literal_column, or_, select, tuple_
from sqlalchemy.orm import aliased

from db.models import Lottery, LotteryEntry, LotteryWinner, Referral, Review
from services.personal_data.kept import ACCOUNT, OWNER, Kept
from services.users import ERASED

_ENTRIES = select(LotteryEntry.id).where(LotteryEntry.user_id == OWNER)
_WON = aliased(LotteryWinner)
_PLACES = select(_WON.lottery_id, _WON.place).where(_WON.entry_id.in_(_ENTRIES))
_DRAWN = exists().where(Lottery.id == LotteryEntry.lottery_id, Lottery.drawn_at.is_not(None))
_HAD_LINKS = func.jsonb_array_length(LotteryEntry.social_links) > 0

INVITATIONS = Kept(
    Referral,
    "Кого вы пригласили и кем приглашены: без имён других людей",
    or_(Referral.inviter_id == OWNER, Referral.invitee_id == OWNER),
    "id number invitee_paid reward_given reward_tokens returned_at created_at",
    {},
    "two numbers without names; the friend's reward is in the books",
    {"somebody else": "inviter_id invitee_id payment_id"},
    {"you": case((Referral.inviter_id == OWNER, "inviter"), else_="invitee")},
)

REVIEWS = Kept(
    Review,
    "Ваши отзывы в чате отзывов: текст есть только в Telegram",
    or_(
        Review.user_id == OWNER,
        and_(Review.author_telegram_id == ACCOUNT, Review.user_id.is_(None)),
    ),
    "id number chat message_id author_telegram_id prose_length state user_id posted_at created_at",
    None,
    left_out={
        "a fingerprint of the text": "text_sha256",
        "the operator's remark on copies, about somebody else": "note",
    },
)

ENTRIES = Kept(
    LotteryEntry,
    "Ваше участие в розыгрышах",
    LotteryEntry.user_id == OWNER,
    "id number lottery_id user_id referral_count social_links reward_given created_at",
    {
        # How many tickets it had is part of a draw that was made: services/draws.py.
        "social_links": case(
            (and_(_DRAWN, _HAD_LINKS), literal_column("'[\"erased\"]'::jsonb")),
            else_=literal_column("'[]'::jsonb"),
        ),
        "referral_count": case((_DRAWN, LotteryEntry.referral_count), else_=0),
    },
    "a draw that was made can be checked by everybody; before the draw it leaves the lottery",
)

PRIZES = Kept(
    LotteryWinner,
    "Ваши призы",
    tuple_(LotteryWinner.lottery_id, LotteryWinner.place).in_(_PLACES),
    "lottery_id round place prize tokens created_at",
    {"reason": case((LotteryWinner.round > 1, ERASED))},
    "a draw that was made can be checked by everybody",
    {"perhaps somebody else's": "entry_id reason"},
    {"yours": LotteryWinner.entry_id.in_(_ENTRIES)},
    harmless="prize",
)
