"""Who people are, what they agreed to, what they asked for, what the bot was told of them, and what
operators did about them.
"""

from __future__ import annotations

from sqlalchemy import Text, and_, case, cast, func, null, select, union_all

from db.models import AuditEntry, Consent, Event, Job, Payment, SupportRequest, User
from services.personal_data.kept import OWNER, Kept, words
from services.users import ERASED

_TARGETS = union_all(
    select(func.concat("user:", cast(OWNER, Text))),
    select(func.concat("job:", Job.id)).where(Job.user_id == OWNER),
    select(func.concat("payment:", Payment.id)).where(Payment.user_id == OWNER),
    select(func.concat("support:", SupportRequest.number)).where(SupportRequest.user_id == OWNER),
)

PEOPLE = Kept(
    User,
    "Кто вы: Telegram, почта, баланс, согласие",
    User.id == OWNER,
    "id telegram_id username anon_user_id email avatar_url balance_tokens ref_code"
    " has_left_review consent_pd consent_pd_at consent_version banned_at created_at updated_at"
    " erased_at",
    {
        "telegram_id": func.concat("erased ", User.id),  # no client can send one with a space
        "username": null(),
        "anon_user_id": null(),
        "email": null(),
        "avatar_url": null(),
        "ref_code": func.concat("erased-", User.id),
        "has_left_review": False,
        "consent_pd": False,
        "consent_pd_at": null(),
        "consent_version": null(),
        "banned_at": null(),
        "ban_reason": null(),
        "updated_at": func.now(),
        "erased_at": func.coalesce(User.erased_at, func.now()),
    },
    "a number without a name, to which the books refer",
    {
        "somebody else": "referrer_id",
        "how the ledger is chained": "ledger_seq",
        "a remark of the operator's, for the operator": "ban_reason",
    },
)

CONSENTS = Kept(
    Consent,
    "Когда вы давали и отзывали согласие, и с какой версией текста",
    Consent.user_id == OWNER,
    "id number user_id agreed version created_at",
    {},
    "the proof that what was done was agreed to",
    harmless="version",
)

REQUESTS = Kept(
    SupportRequest,
    "О чём вы просили",
    SupportRequest.user_id == OWNER,
    "id number user_id topic message payment_id job_id client_ref status answer created_at"
    " closed_at",
    {
        "message": words(ERASED),
        "client_ref": null(),
        "answer": case(
            (SupportRequest.status == "open", "the person's data were erased"), else_=ERASED
        ),
        "status": words("closed"),
        "closed_at": func.coalesce(SupportRequest.closed_at, func.now()),
    },
    "that there was a request and how long it waited",
    harmless="topic",
)

EVENTS = Kept(
    Event,
    "Что бот узнавал о ваших заказах и платежах",
    Event.user_id == OWNER,
    "id type user_id telegram_id balance_tokens client_ref body created_at state delivered_at",
    None,
    left_out={
        "how it was delivered to the bot": "number sequence attempt attempts_before next_at"
        " last_status last_error"
    },
)

AUDIT = Kept(
    AuditEntry,
    "Что с вашими заказами и платежами делали наши сотрудники",
    # Why somebody was erased is the proof that they wanted it.
    and_(AuditEntry.target.in_(_TARGETS), AuditEntry.action != "user.erase"),
    "id number at action target reason key before after outcome note",
    {"reason": null(), "key": null(), "note": null()},
    "who did what and when; before and after have no names",
    {"who works for us, and where": "who role address", "where it is in our logs": "request_id"},
    harmless="who role action target before after outcome request_id address",
)
