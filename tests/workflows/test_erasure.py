"""An erased person leaves no trace, the books stay exact, and nothing is given twice."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError

import settings
from db import reading, snapshot, transaction
from db.models import Consent, Lottery, Payment, SupportRequest, Transaction
from db.types import now
from errors import ApiError
from providers import registry
from providers.payments import Outcome
from providers.storage import StorageUnavailable
from services import (
    attempt_moves,
    bonuses,
    data,
    draws,
    erasure,
    inbox,
    jobs,
    ledger,
    lotteries,
    payments,
    people,
    queue,
    referrals,
    registration,
    reviews,
    support,
    users,
)
from tests import people_world
from tests.factories import make_image, make_user
from tests.job_steps import claim_job
from tests.live import unchanged
from tests.locks import wait_for_a_waiter
from tests.people_world import Person, open_payment, paid_notice, pay, person, stored, traces
from tests.settlements import books_are_whole
from tests.threads import at_once
from web.app import create_app
from workflows import erasure as workflow
from workflows import files, payment_events


@pytest.fixture(autouse=True)
def _database(database: str, no_rows: None) -> None:
    """Each test has its own people."""


@pytest.fixture(autouse=True)
def _welcome(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Newcomers get a bonus."""
    monkeypatch.setenv("WELCOME_BONUS_TOKENS", "3")
    settings.load.cache_clear()
    yield
    monkeypatch.undo()
    settings.load.cache_clear()


def erase(user: Any) -> workflow.Erased:
    return workflow.erase(user.id)


def gone(who: Person) -> None:
    """The person has left no trace, and the books are exact."""
    assert traces(who.words) == {}
    assert stored(who.keys) == []
    assert books_are_whole()


def test_whoever_is_erased_leaves_no_trace_and_the_books_stay_exact() -> None:
    who, other = person(), person()
    before = traces(other.words)
    assert set(traces(who.words)) >= {"users", "jobs", "payments", "payment_events", "events"}
    assert len(stored(who.keys)) == 2
    assert erase(who.user).files_deleted == 2
    gone(who)
    assert traces(other.words) == before, "somebody else lost something"
    assert len(stored(other.keys)) == 2


def test_what_the_law_needs_of_a_payment_is_still_there() -> None:
    who = person()
    erase(who.user)
    with snapshot() as session:
        paid = session.get_one(Payment, who.payment_id)
        purchase = session.scalars(
            select(Transaction).where(Transaction.payment_id == paid.id)
        ).all()
    assert (paid.status, paid.amount_rub, paid.provider) == ("succeeded", 200, "telegram")
    assert paid.charge_reference == f"charge-{paid.id}" and paid.paid_at
    assert {row.type for row in purchase} == {"gateway_payment", "purchase"}


def test_an_erased_person_is_nobody_to_the_bot() -> None:
    who = person()
    erase(who.user)
    user_id = who.user.id
    with transaction() as session:
        for call in (
            lambda: users.get(session, user_id),
            lambda: users.balance(session, user_id),
            lambda: users.set_consent(session, user_id, True, now=now()),
            lambda: users.set_email(session, user_id, "a@example.org"),
            lambda: (
                ledger.history(session, user_id, limit=1, cursor=None)
                and users.require(session, user_id)
            ),
            lambda: jobs.create(session, user_id, service_type="restore", input=[]),
            lambda: jobs.get(session, who.job_id),
            lambda: support.create(session, user_id, topic="help", message="?", now=now()),
            lambda: bonuses.grant_channel(session, user_id, "@photo"),
            lambda: lotteries.submit_social(session, user_id, ["https://a.example"], now=now()),
            lambda: reviews.check_own(session, user_id),
            lambda: payments.open(
                session, user_id, amount_rub=Decimal(200), provider="stripe", plan=None, now=now()
            ),
        ):
            with pytest.raises(ApiError, match="user_not_found|job_not_found"):
                call()


def test_a_repeat_changes_nothing_and_says_when_it_was_done() -> None:
    who = person()
    erase(who.user)
    with unchanged():
        with reading() as reader:
            with pytest.raises(ValueError, match="the account was erased at 20"):
                erasure.find(reader, who.user.telegram_id)
            with pytest.raises(ValueError, match="there is no such person$"):
                erasure.find(reader, "404")
        with pytest.raises(ValueError, match="there is no such person$"):
            workflow.erase(uuid4())
    assert erase(who.user).files_deleted == 0
    gone(who)


def test_several_operators_at_once_erase_once() -> None:
    who = person()
    done = at_once(lambda: erase(who.user), 3)
    assert {type(each) for each in done} <= {workflow.Erased, ApiError}, done
    assert erase(who.user).files_deleted == 0
    gone(who)


def test_a_server_without_a_key_says_so_when_it_starts(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    people_world.set_key(monkeypatch, "")
    create_app()
    assert "ERASURE_KEY is not set: nobody can be erased" in caplog.text
    people_world.set_key(monkeypatch, "k" * 32)
    caplog.clear()
    create_app()
    assert "ERASURE_KEY" not in caplog.text


def test_a_request_to_be_deleted_is_closed_with_it() -> None:
    who = person()
    erase(who.user)
    with snapshot() as session:
        request = session.scalars(
            select(SupportRequest).where(SupportRequest.number == who.request)
        ).one()
    assert (request.status, request.answer) == ("closed", "the person's data were erased")


def test_who_comes_back_is_new_and_gets_no_bonus_a_second_time() -> None:
    who, inviter = person(), make_user()
    erase(who.user)
    back = make_user(telegram_id=who.user.telegram_id, ref_code=inviter.ref_code)
    assert back.id != who.user.id and back.balance_tokens == 0 and back.referrer_id is None
    with transaction() as session:
        assert not bonuses.grant_channel(session, back.id, "@photo").granted
        assert bonuses.grant_channel(session, back.id, "@another").granted
        assert referrals.stats(session, inviter.id).total_invited == 0
    # What was had is remembered over a second erasure, and under the key of that time.
    erase(back)
    again = make_user(telegram_id=who.user.telegram_id)
    with transaction() as session:
        for channel in ("@photo", "@another"):
            assert not bonuses.grant_channel(session, again.id, channel).granted
    assert make_user().balance_tokens == 3
    assert books_are_whole()


def test_who_was_banned_comes_back_banned() -> None:
    who = person()
    with transaction() as session:
        people.ban(session, who.user.id, reason=f"because of {who.mark}", now=now())
    erase(who.user)
    gone(who)
    back = make_user(telegram_id=who.user.telegram_id)
    assert back.banned_at is not None
    with transaction() as session:
        people.unban(session, back.id)
    erase(make_user(telegram_id=who.user.telegram_id))
    assert make_user(telegram_id=who.user.telegram_id).banned_at is None


def test_an_account_is_recognised_under_a_new_key_while_the_old_one_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    who, another = person(), person()
    old = settings.load().erasure_key[0]
    erase(who.user)
    people_world.set_key(monkeypatch, f"{'n' * 32},{old}")
    assert make_user(telegram_id=who.user.telegram_id).balance_tokens == 0
    erase(another.user)
    people_world.set_key(monkeypatch, "n" * 32)
    assert make_user(telegram_id=another.user.telegram_id).balance_tokens == 0
    people_world.set_key(monkeypatch, "")
    third = person()
    with unchanged(), pytest.raises(ValueError, match="ERASURE_KEY is not set"):
        erase(third.user)


def test_money_that_waits_for_the_operator_comes_first() -> None:
    who = person()
    for about in (open_payment(who.user, who.mark), uuid4()):
        wrong = replace(paid_notice(about, payer_id=who.user.telegram_id), amount_minor=1)
        payment_events.apply(wrong)
        with unchanged(), pytest.raises(ValueError, match="waits for you: apply or dismiss it"):
            erase(who.user)
        with transaction() as session:
            session.execute(text("UPDATE payment_events SET state = 'ignored'"))
    erase(who.user)


def test_money_that_comes_later_is_credited_and_shown_to_the_operator(
    caplog: pytest.LogCaptureFixture,
) -> None:
    who = person()
    link = open_payment(who.user, who.mark)
    erase(who.user)
    assert traces(who.words) == {}
    pay(who.user, link, raw={"customer": who.mark})
    with snapshot() as session:
        rows = inbox.listed(session, limit=10, flagged=True).rows
        (flagged,) = [event for event in rows if event.payment_id == link]
        payment = session.get_one(Payment, link)
    assert (flagged.reason, payment.status) == ("erased_user", "succeeded")
    (line,) = (each for each in caplog.records if "needs the operator" in each.getMessage())
    assert (vars(line)["state"], vars(line)["reason"]) == ("applied", "erased_user")
    assert flagged.notice["payer_id"] is None and flagged.notice["raw"] == {}
    # Stars can only be given back to whoever has paid.
    assert set(traces(who.words)) == {"payments"}
    # The same link is paid again, and both are given back.
    second = replace(paid_notice(link, payer_id=who.user.telegram_id), charge_reference="again")
    payment_events.apply(second)
    for charge in (f"charge-{link}", "again"):
        payment_events.apply(
            paid_notice(
                link,
                payer_id=who.user.telegram_id,
                outcome=Outcome.REFUNDED,
                charge_reference=charge,
                refunded_minor=167,
                refund_reference=charge,
            )
        )
    gone(who)


def test_the_reward_of_an_erased_inviter_goes_to_nobody() -> None:
    inviter = person(live=False)
    friend = make_user(ref_code=inviter.user.ref_code)
    first, second = open_payment(friend, "a"), open_payment(friend, "b")
    pay(friend, first)
    erase(inviter.user)
    # The reward is taken back from an account without a person, and given to it no more.
    refund = paid_notice(first, outcome=Outcome.REFUNDED, refunded_minor=167, refund_reference="r")
    payment_events.apply(refund)
    pay(friend, second)
    gone(inviter)


def test_a_link_paid_for_somebody_else_names_the_payer_no_more() -> None:
    who, other = person(), person()
    link = open_payment(other.user, other.mark)
    pay(who.user, link)
    erase(who.user)
    gone(who)


def test_a_draw_that_was_made_can_still_be_checked_and_an_entry_before_it_is_void() -> None:
    drawn, waiting = person(), person()
    with transaction() as session:
        lottery_id = session.scalars(select(Lottery.id)).one()
    erase(waiting.user)
    with transaction() as session:
        session.execute(
            update(Lottery).values(
                start_date=now().replace(year=2020), end_date=now().replace(year=2021)
            )
        )
    with transaction() as session:
        draws.draw_due(session, now=now())
    erase(drawn.user)
    with snapshot() as session:
        lottery = lotteries.get(session, lottery_id)
        assert draws.verified(session, lottery) == []
        assert waiting.user.id not in {row.user_id for row in draws.winners(session, lottery)}
    gone(drawn)


def test_an_edit_of_an_old_review_brings_nobody_back() -> None:
    who = person()
    with snapshot() as session:
        message = session.scalar(text("SELECT min(message_id) FROM reviews"))
    erase(who.user)

    def edit() -> None:
        with transaction() as session:
            reviews.ingest(
                session,
                chat_id=people_world.CHAT,
                message_id=message,
                author_id=int(who.user.telegram_id),
                text_sha256="new words",
                prose_length=40,
                posted_at=now(),
            )

    edit()
    gone(who)
    make_user(telegram_id=who.user.telegram_id)
    edit()
    assert set(traces(who.words)) == {"users", "reviews"}


def test_a_worker_that_held_an_order_is_fenced_off() -> None:
    who = person()
    order = jobs_of(who)[-1]
    claim = claim_job(order)
    erase(who.user)
    with transaction() as session:
        row = data.reserve(session, "image", content_type="image/jpeg", now=now(), purpose="result")
        turn = queue.finish(session, claim, row.id, size_bytes=1, meta={}, now=now())
    assert turn.value == "lost"
    gone(who)


def test_an_order_at_a_provider_keeps_its_words_until_it_can_be_cancelled() -> None:
    who = person()
    running = people_world.attempt(
        jobs_of(who)[-1],
        who.mark,
        state="unknown",
        sent_at=now(),
        due_at=now(),
        ended_at=None,
        worker="w",
    )
    erase(who.user)
    assert set(traces(who.words)) == {"generation_attempts"}
    with transaction() as session:
        ended = attempt_moves.end(
            session, running, 0, "w", ["unknown"], "canceled", "no", None, None, None, who.mark
        )
    assert ended == 1
    gone(who)


def test_the_history_of_consents_is_kept_by_the_database() -> None:
    user = make_user()
    for agreed in (True, False, True):
        with transaction() as session:
            users.set_consent(session, user.id, agreed, now=now())
    erase(user)
    with snapshot() as session:
        said = session.scalars(
            select(Consent.agreed).where(Consent.user_id == user.id).order_by(Consent.number)
        ).all()
    assert said == [True, False, True, False], "with the erasure the consent has ended"


def test_the_words_of_the_ledger_go_with_the_person_only() -> None:
    who = person()
    change = text("UPDATE transactions SET meta = '{}' WHERE user_id = :user")
    more = text("UPDATE transactions SET tokens_delta = 1, meta = '{}' WHERE user_id = :user")
    with pytest.raises(IntegrityError, match="append-only"), transaction() as session:
        session.execute(change, {"user": who.user.id})
    erase(who.user)
    with transaction() as session:
        session.execute(change, {"user": who.user.id})
    with pytest.raises(IntegrityError, match="append-only"), transaction() as session:
        session.execute(more, {"user": who.user.id})


def test_files_that_the_storage_kept_are_deleted_later(monkeypatch: pytest.MonkeyPatch) -> None:
    who = person()
    storage = registry.storage()

    def away(key: str) -> None:
        raise StorageUnavailable("away")

    with monkeypatch.context() as broken:
        broken.setattr(storage, "delete", away)
        assert erase(who.user).files_left
    assert traces(who.words) == {} and len(stored(who.keys)) == 2
    files.delete_expired()
    gone(who)


def test_whoever_is_killed_after_the_commit_has_left_the_rest_to_the_workers() -> None:
    who = person()
    child = os.fork()
    if not child:  # the process of an operator, killed when it is about to delete the first file
        from db.connections import engine

        engine().dispose(close=False)
        registry.storage().delete = lambda key: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]
        try:
            erase(who.user)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert traces(who.words) == {} and len(stored(who.keys)) == 2
    files.delete_expired()
    gone(who)


def test_requests_under_way_end_before_or_find_nobody() -> None:
    """Eight kinds of requests of one person, each repeated until the erasure has won."""
    who = person()
    user_id, telegram_id = who.user.id, who.user.telegram_id
    photo = make_image()

    def visit(session: Any) -> None:
        registration.register_or_log_in(session, telegram_id, username=f"{who.mark}-{uuid4().hex}")

    acts: list[Any] = [
        lambda s: users.set_email(s, user_id, f"{who.mark}@example.org"),
        lambda s: users.set_consent(s, user_id, True, now=now()),
        lambda s: support.create(s, user_id, topic="help", message=who.mark, now=now()),
        lambda s: bonuses.grant_channel(s, user_id, f"@c{uuid4().hex}"),
        lambda s: lotteries.submit_social(s, user_id, [f"https://a.example/{who.mark}"], now=now()),
        lambda s: jobs.create(
            s,
            user_id,
            service_type="restore",
            input=[{"type": "image", "dataId": str(photo.id)}],
            client_ref=who.mark,
        ),
        lambda s: payments.open(
            s,
            user_id,
            amount_rub=Decimal(200),
            provider="stripe",
            plan=None,
            client_ref=who.mark,
            now=now(),
        ),
    ]

    stop = time.monotonic() + 60

    def repeat(act: Any) -> str:
        """Until it is refused for good; a request too many a day is none."""
        while time.monotonic() < stop:
            try:
                with transaction() as session:
                    act(session)
            except ApiError as refusal:
                if refusal.code not in ("service_unavailable", "rate_limited"):
                    return refusal.code
        return "never ended"

    with ThreadPoolExecutor(len(acts) + 1) as pool:
        running = [pool.submit(repeat, act) for act in acts]
        for tries in range(100):
            try:
                erase(who.user)
                break
            except (ApiError, ValueError):
                assert tries < 99
        assert [each.result(30) for each in running] == ["user_not_found"] * len(acts)
    gone(who)
    with transaction() as session:
        visit(session)
    assert set(traces(who.words)) == {"users"}, "only who comes back is somebody again"


def test_a_visit_that_waited_for_the_erasure_is_that_of_a_new_person() -> None:
    who = person()
    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            found = erasure.end(session, who.user.id)
        with transaction() as session:
            erasure.anonymize(session, who.user.id, found, now=now())
            waiting = pool.submit(
                lambda: make_user(telegram_id=who.user.telegram_id, username="new")
            )
            wait_for_a_waiter()
        back = waiting.result(30)
    assert back.id != who.user.id and back.username == "new" and back.balance_tokens == 0


def jobs_of(who: Person) -> list[Any]:
    with snapshot() as session:
        return list(
            session.scalars(
                text("SELECT id FROM jobs WHERE user_id = :user ORDER BY number"),
                {"user": who.user.id},
            )
        )
