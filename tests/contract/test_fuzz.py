"""Schemathesis against every operation; `make fuzz` goes further, longer, and in all phases."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import schemathesis
from sqlalchemy import update
from sqlalchemy.orm import Session

from db import transaction
from db.models import Job, Payment, User
from db.types import now
from services import lotteries
from services.lotteries import Prize
from spec import CONTRACT
from spec.operations import operations_of
from tests import wire
from tests.contract import fuzzing
from tests.contract.fuzzing import config
from tests.factories import make_image, make_job
from tests.live import Server

EXAMPLES = 5


class Rows:
    """Fixed ids, known before the database exists, as tests are collected with them."""

    users = ["f0000000-0000-4000-8000-000000000001", "f0000000-0000-4000-8000-000000000002"]
    telegram_ids = ["9000000001", "9000000002"]
    channels = ["without_a_bonus"]
    data = ["f0000000-0000-4000-8000-000000000003"]
    jobs = ["f0000000-0000-4000-8000-000000000004"]
    payments = ["f0000000-0000-4000-8000-000000000005"]


# Here the server has no bot: whether a link is followed that far depends on what was drawn.
fuzzing.RIGHTLY_REFUSED.add(("reviewsCheck", "telegram_unavailable", ""))
attack = config("http://127.0.0.1", wire.KEY, Rows(), examples=EXAMPLES)
# A copy: schemathesis adds to what it is given, and the tests after this one read it, too.
contract = schemathesis.openapi.from_dict(
    deepcopy(CONTRACT), config=schemathesis.Config.from_dict(attack)
)


@pytest.fixture(scope="module")
def origin(live_server: Server) -> str:
    """Address of a server with the rows for the attack to find."""
    with transaction() as session:
        for user_id, telegram_id in zip(Rows.users, Rows.telegram_ids, strict=True):
            person = User(id=UUID(user_id), telegram_id=telegram_id, ref_code=telegram_id)
            session.add(person)
    photo = make_image(id=UUID(Rows.data[0]))
    job = make_job(UUID(Rows.users[0]), data_id=photo.id)
    with transaction() as session:
        session.execute(update(Job).where(Job.id == job.id).values(id=UUID(Rows.jobs[0])))
        session.add(
            Payment(
                id=UUID(Rows.payments[0]),
                user_id=UUID(Rows.users[0]),
                provider="yookassa",
                amount_rub=199,
                tokens=20,
                asked_minor=19900,
                asked_currency="RUB",
                payer_telegram_id=Rows.telegram_ids[0],
                expires_at=now() + timedelta(hours=1),
            )
        )
        _run_a_lottery(session)
    return live_server.url.removesuffix("/api")


def _run_a_lottery(session: Session) -> None:
    day = timedelta(days=1)
    lotteries.create(
        session,
        title="-",
        description="-",
        start_date=now() - day,
        end_date=now() + day,
        prizes=[Prize("-", 1, Decimal(1))],
    )
    for user_id in Rows.users:
        lotteries.submit_social(session, UUID(user_id), ["https://vk.com/wall1"], now=now())


@contract.parametrize()
def test_every_answer_keeps_the_contract(case: schemathesis.Case[Any], origin: str) -> None:
    case.call_and_validate(base_url=origin)


def test_every_operation_was_reached_with_success_but_for_those_that_ask_outside() -> None:
    if len(fuzzing.answered) < len(operations_of(CONTRACT)):
        pytest.skip("only some operations were attacked")
    # `make fuzz` has providers, and reaches these, too.
    outside = {"paymentsCreateIntent", "subscriptionsCheckChannel", "webhookPayments"}
    assert fuzzing.unreached(CONTRACT) <= outside
