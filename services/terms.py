"""What an order depends on: its user, its model and its files, read and locked by one statement.

It also gives the order its number, of which a refused order leaves a gap.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Uuid, and_, func, or_, select, type_coerce
from sqlalchemy.orm import Session

from db import Query, statement
from db.models import GenerationModel, User
from errors import ApiError
from services import data, users
from services.models import Terms


def locked_terms(
    session: Session,
    user_id: UUID,
    service_type: str,
    data_ids: list[UUID],
    model_id: UUID | None,
) -> Terms:
    """What the user can spend, what the service costs and which of the files exist.

    The user is locked, as by ledger.lock, and the files are locked against deletion. ApiError
    `user_not_found`, `user_banned`, `consent_required`.
    """
    terms = _select.one_or_none(session, user_id, service_type, data_ids, model_id)
    if terms is None:
        raise ApiError("user_not_found")
    users.require_not_banned(terms.banned_at)
    users.require_consent(terms.consent_pd)
    return terms


@statement(Terms)
def _select(
    user_id: UUID, service_type: str, data_ids: list[UUID], chosen_id: UUID | None
) -> Query:
    return (
        select(
            User.balance_tokens,
            User.consent_pd,
            User.banned_at,
            GenerationModel.id.label("model_id"),
            GenerationModel.engine,
            GenerationModel.active.label("model_active"),
            GenerationModel.service_type.label("model_service_type"),
            GenerationModel.price_tokens,
            GenerationModel.price_rub,
            data.found(data_ids).label("files"),
            func.nextval("jobs_number_seq").label("number"),
            func.now().label("ordered_at"),
        )
        .outerjoin_from(
            User,
            GenerationModel,
            or_(
                GenerationModel.id == chosen_id,
                and_(
                    type_coerce(chosen_id, Uuid).is_(None),
                    GenerationModel.service_type == service_type,
                    GenerationModel.is_default,
                ),
            ),
        )
        .where(User.id == user_id, User.erased_at.is_(None))
        .with_for_update(key_share=True, of=User)
    )
