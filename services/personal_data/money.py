"""Payments, what providers said of them, the ledger, and stored answers."""

from __future__ import annotations

from sqlalchemy import Text, case, cast, func, literal_column, null, or_, select
from sqlalchemy.dialects.postgresql import array

from db.models import IdempotencyKey, Payment, PaymentEvent, Transaction
from services.inbox import DISMISSED, IMPERSONAL
from services.personal_data.kept import ACCOUNT, BOOKS, OWNER, Kept, words
from services.users import ERASED

_PAYMENTS = select(Payment.id).where(Payment.user_id == OWNER)
# Keys that an operator chose; those of bonuses name a channel, a lottery, a friend's number.
_BONUS_KEY = case(
    (
        Transaction.bonus_key.regexp_match("^(grant|withdraw):"),
        func.concat("erased:", Transaction.id),
    ),
    else_=Transaction.bonus_key,
)

PAYMENTS = Kept(
    Payment,
    "Ваши платежи",
    Payment.user_id == OWNER,
    "id number user_id provider status amount_rub tokens tariff_id plan client_ref asked_minor"
    " asked_currency reference charge_reference payment_url refunded_rub"
    " refunded_tokens shortfall_tokens repeats_id expires_at decline_code receipt_email asked_at"
    " paid_at created_at updated_at",
    {
        "client_ref": null(),
        "request_id": null(),
        "payer_telegram_id": words(ERASED),
        "receipt_email": null(),
        "payment_url": null(),
        "last_error": null(),
    },
    BOOKS,
    {
        "how we ask the provider": "next_check_at checks last_error",
        "where it is in our logs": "request_id",
        "perhaps somebody else, who has paid for them": "payer_telegram_id",
    },
    {"paid_by_you": Payment.payer_telegram_id == ACCOUNT},
    harmless="provider status plan asked_currency reference charge_reference decline_code",
)

NOTICES = Kept(
    PaymentEvent,
    "Что платёжные системы сообщали о ваших платежах",
    PaymentEvent.payment_id.in_(_PAYMENTS),
    "id number provider kind state reason reference payment_id received_at applied_at",
    {
        "notice": IMPERSONAL,
        "reason": case(
            (PaymentEvent.reason.startswith(DISMISSED), DISMISSED),  # the operator's words follow
            else_=PaymentEvent.reason,
        ),
    },
    "that it came, so that it counts once",
    {
        "the provider's key of the notice": "event_key",
        "exported, but not who has paid if that was somebody else": "notice",
    },
    {
        "notice": case(
            (PaymentEvent.notice["payer_id"].astext == ACCOUNT, PaymentEvent.notice),
            else_=PaymentEvent.notice.op("-")("payer_id"),
        )
    },
    harmless="provider event_key kind state reference",
)

LEDGER = Kept(
    Transaction,
    "Движение ваших токенов и рублей",
    Transaction.user_id == OWNER,
    "id number user_id job_id payment_id type status provider amount_rub tokens_delta"
    " balance_after currency plan reference bonus_key meta created_at",
    {"meta": literal_column("meta - 'note'"), "bonus_key": _BONUS_KEY},
    BOOKS,
    {"how the ledger is chained": "seq"},
    harmless="type status provider currency plan reference",
)

ANSWERS = Kept(
    IdempotencyKey,
    "",
    or_(
        IdempotencyKey.payment_id.in_(_PAYMENTS),
        cast(OWNER, Text).in_(
            (IdempotencyKey.body["userId"].astext, IdempotencyKey.body["id"].astext)
        ),
        # The bot makes keys of the chat and the message that asked.
        func.regexp_split_to_array(IdempotencyKey.key, "[^0-9A-Za-z]+").op("@>")(array([ACCOUNT])),
    ),
    "",
    None,
    left_out={
        "copies of our answers, which go by themselves after IDEMPOTENCY_TTL_HOURS": "operation"
        " key fingerprint payment_id status body created_at"
    },
)
