"""Figures: what they count, on which day, and that they always say what the tables say."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

import settings
from db import reading, snapshot, transaction
from db.types import now
from services import checks, day_figures, days, figures
from services.checks import FIGURES, LEDGER
from tests.busy_days import a_busy_day, compute, execute, today
from tests.factories import make_job, make_user
from tests.payment_events import buyer_with_payment
from tests.settlements import notice, settle
from tests.wire import wait_until
from worker import duties
from worker.proofs import Proofs
from workflows import checks as proofs

pytestmark = pytest.mark.usefixtures("no_rows")


def kept(day: date | None = None) -> dict[tuple[str, str], day_figures.Figure]:
    with reading() as reader:
        return {row[:2]: row for row in day_figures.stored(reader, day or today())}


def test_a_day_says_what_was_paid_returned_moved_done_and_failed():
    a_busy_day()
    compute()
    found = kept()
    price = found["done", "restore"].tokens
    assert found["paid", "stripe"][2:] == (1, 200, 20, 0)
    assert found["returned", "stripe"][2:] == (1, 50, 5, 0)
    assert (found["done", "restore"].n, found["failed", "no_face"].n) == (1, 1)
    assert found["moved", "charge"].tokens == -2 * price
    assert {"wait_p50", "wait_p95", "work_p50", "work_p95"} <= {kind for kind, _ in found}
    with reading() as reader:
        month = figures.revenue(reader, today=today())[-1]
        assert (month.days, month.payments, month.rub, month.before_rub) == (30, 1, 150, 0)
        assert {each.provider for each in figures.revenue(reader, today=today())} == {"stripe"}
        assert figures.tokens_owed(reader) == reader.scalar(
            text("SELECT sum(balance_tokens) / 100 FROM users")
        )
        [cohort] = figures.cohorts(reader, today=today(), count=1)
    assert cohort == figures.Cohort(today(), registered=3, photo=2, order=1, payment=1)
    compute()
    assert kept() == found


def test_several_providers_are_added_up():
    execute(
        "INSERT INTO daily_figures (day, kind, dimension, n, rub) VALUES"
        " (:day, 'paid', 'stripe', 1, 10000), (:day, 'paid', 'yookassa', 2, 50000),"
        " (:day, 'returned', 'yookassa', 1, 20000), (:before, 'paid', 'telegram', 1, 700)",
        day=today(),
        before=today() - days.ONE,
    )
    with reading() as reader:
        found = {
            (each.days, each.provider): each for each in figures.revenue(reader, today=today())
        }
    assert len(found) == 12
    both = found[1, figures.ALL]
    assert (both.payments, both.rub, both.before_rub) == (3, 400, 7)
    assert found[7, figures.ALL].rub == 407


def test_a_late_refund_belongs_to_the_day_of_the_refund():
    _, payment = buyer_with_payment("stripe")
    settle(notice(payment, "succeeded"))
    long_ago = now() - timedelta(days=20)
    execute("UPDATE transactions SET created_at = :at", at=long_ago)
    execute("UPDATE users SET created_at = :at", at=long_ago)
    settle(notice(payment, "refunded", refunded_minor=5000, refund_reference="r1"))
    assert duties._keep_figures() == 20  # the days in between, too
    assert kept(days.of(long_ago))["paid", "stripe"].rub == 200
    assert kept()["returned", "stripe"].rub == 50
    assert duties._keep_figures() == 0


@pytest.mark.parametrize(("hour", "day"), [(20, 10), (21, 11)])
def test_a_day_is_one_of_moscow(hour, day):
    make_user(3)
    at = now().replace(year=2026, month=3, day=10, hour=hour, minute=0)
    execute("UPDATE transactions SET created_at = :at", at=at)
    execute("UPDATE users SET created_at = :at", at=at)
    compute(date(2026, 3, day))
    assert kept(date(2026, 3, day))["moved", "promo"].tokens == 3
    with reading() as reader:
        steps = day_figures.stored_steps(reader, date(2026, 3, day))
    assert steps == [("registered", date(2026, 3, day), 1)]


def test_engines_cost_their_bills_in_rubles_and_our_own_its_seconds(monkeypatch):
    monkeypatch.setenv("ENGINE_SECOND_RUB", "0.5")
    monkeypatch.setenv("RUB_PER_USD", "100")
    settings.load.cache_clear()
    user = make_user(100)
    for seconds, photos in ((7, 1), (3, 2)):
        job = make_job(user.id, photos=photos)
        finish = "UPDATE jobs SET status = 'done', finished_at = now(), tokens_reserved = 0,"
        finish += " result_data_id = gen_random_uuid(),"
        meta = f'{{"engine": "embedded", "seconds": {seconds}}}'
        execute(
            f"{finish} meta = '{meta}', output = (SELECT jsonb_agg(jsonb_build_object('meta',"
            f" '{meta}'::jsonb)) FROM generate_series(1, :photos)) WHERE id = :id",
            id=job.id,
            photos=photos,
        )
    execute(
        "INSERT INTO generation_attempts (id, job_id, number, model_id, engine, recipe, prompt,"
        " seed, state, external_id, sent_at, deadline_at, cost_estimate, currency, charged,"
        " ended_at, paid_number) SELECT gen_random_uuid(), :job, 1, gen_random_uuid(), 'fal', '{}',"
        " '', 1, 'done', 'x', now(), now(), 40000, 'USD', 'yes', now(), 1",
        job=job.id,
    )
    compute()
    with reading() as reader:
        margin = figures.margin(reader, today=today(), count=1)
    settings.load.cache_clear()
    assert kept()["engine_cost", "fal USD"].cost == Decimal("0.04")
    assert (margin.orders, margin.engines_rub, margin.own_rub) == (2, 4, Decimal("6.5"))
    assert margin.per_order(margin.cost_rub) == Decimal("5.25")


def test_the_nightly_check_finds_what_differs_and_has_it_mended(caplog):
    a_busy_day()
    yesterday = today() - days.ONE
    execute("UPDATE transactions SET created_at = created_at - interval '1 day'")
    execute("UPDATE users SET created_at = created_at - interval '3 days'")
    for back in (3, 2, 1, 0):
        compute(today() - back * days.ONE)
    later = now() + timedelta(hours=25)  # what is kept must be younger than the end of its day
    execute("UPDATE figure_days SET computed_at = :later", later=later)
    proof = proofs.make(FIGURES, now=now())
    assert proof is not None and not proof.violations
    assert len(proof.rules) == 4
    execute("UPDATE daily_figures SET rub = rub + 100 WHERE kind = 'paid'")
    proof = proofs.make(FIGURES, now=now())
    assert proof is not None
    assert proof.violations == {
        "the figures of a day are those of its rows": [
            f"{yesterday} paid stripe: kept 1 201 20, the tables say 1 200 20"
        ],
        "all days together took the rubles of the ledger": ["kept 201.00, the ledger says 200.00"],
    }
    assert "broken: all days together took" in caplog.text
    with reading() as reader:
        last = checks.latest(reader, FIGURES)
    assert last is not None and last.violations == proof.violations
    assert duties._keep_figures() == 3
    assert kept(yesterday)["paid", "stripe"].rub == 200


def test_the_books_are_proved_once_in_a_night_and_whenever_somebody_asks():
    make_user(3)
    night, day = (now().replace(hour=hour, minute=0) for hour in (1, 12))
    with reading() as reader:
        assert checks.is_due(reader, LEDGER, now=day)  # there was none
    assert proofs.make_if_due(LEDGER, now=day) is not None
    afternoon = now().replace(hour=11, minute=30)  # half past two in services.days
    execute("UPDATE checks SET checked_at = :at", at=afternoon)
    with reading() as reader:
        made = checks.latest(reader, LEDGER)
        assert made is not None and (made.rows, made.broken) == (1, 0)

        def due(hours: int) -> bool:
            at = made.checked_at + timedelta(hours=hours)
            return checks.is_due(reader, LEDGER, now=at)

        assert [hours for hours in range(38) if due(hours)] == [13, 14, 15, 37]
    with transaction() as session:
        checks.ask(session, LEDGER)
        checks.ask(session, LEDGER)
    execute("UPDATE users SET balance_tokens = 500")
    at = made.checked_at
    assert proofs.make_if_due(LEDGER, now=at) is not None
    with reading() as reader:
        assert not checks.is_due(reader, LEDGER, now=at)
        assert checks.latest(reader, LEDGER).broken == 2


def test_a_worker_proves_the_books_beside_its_jobs(monkeypatch):
    make_user(3)
    monkeypatch.setattr("worker.proofs.LOOK_SECONDS", 0.01)
    thread = Proofs()
    thread.start()
    for subject in (LEDGER, FIGURES):
        with reading() as reader:
            wait_until(lambda subject=subject: checks.latest(reader, subject))
    thread.stop()


def test_two_checks_are_never_made_at_once():
    with snapshot() as session:
        assert checks.claim(session, LEDGER)
        assert proofs.make(LEDGER, now=now()) is None
        assert proofs.make(FIGURES, now=now()) is not None
