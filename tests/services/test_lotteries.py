from __future__ import annotations

import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import select, text, update

from db import transaction
from db.connections import engine
from db.models import Lottery, LotteryEntry, LotteryWinner
from db.types import now
from errors import ApiError
from services import draws, jobs, lotteries, registration
from services.draws import Ticket
from services.lotteries import Prize
from tests.factories import balance, make_image, make_user
from tests.locks import wait_for_a_waiter
from tests.threads import at_once

PRIZES = [Prize("Главный приз", 1, Decimal(50)), Prize("Ещё приз", 2, Decimal("0.5"))]


@pytest.fixture
def lottery(no_rows):
    """The one lottery, which runs now."""
    moment = now()
    with transaction() as session:
        return lotteries.create(
            session,
            title="Осень",
            description="Розыгрыш токенов",
            start_date=moment - timedelta(hours=1),
            end_date=moment + timedelta(hours=1),
            prizes=PRIZES,
        )


def submit(user, *links):
    with transaction() as session:
        return lotteries.submit_social(session, user.id, list(links), now=now())


def end(lottery):
    """Let its time pass."""
    over = now() - timedelta(seconds=1)
    with transaction() as session:
        session.execute(
            update(Lottery)
            .where(Lottery.id == lottery.id)
            .values(start_date=over - timedelta(hours=2), end_date=over)
        )


def draw():
    with transaction() as session:
        return draws.draw_due(session, now=now())


def winners(lottery):
    with transaction() as session:
        return lotteries.winners_of(session, [lottery.id]).get(lottery.id, [])


def test_only_one_lottery_can_be_current(lottery):
    with pytest.raises(ValueError, match="another lottery"), transaction() as session:
        lotteries.create(
            session,
            title="t",
            description="d",
            start_date=now(),
            end_date=now() + timedelta(days=1),
            prizes=PRIZES,
        )


@pytest.mark.parametrize(
    ("seconds", "runs"), [(-3601, False), (-3600, True), (3599, True), (3600, False)]
)
def test_a_lottery_runs_from_its_first_moment_up_to_its_last(lottery, seconds, runs):
    middle = lottery.start_date + (lottery.end_date - lottery.start_date) / 2
    with transaction() as session:
        moment = middle + timedelta(seconds=seconds)
        if runs:
            assert lotteries.current(session, now=moment).id == lottery.id
        else:
            with pytest.raises(ApiError, match="no_current_lottery"):
                lotteries.current(session, now=moment)


def test_links_are_gathered_once_each_and_bounded(lottery):
    user = make_user()
    submit(user, "https://vk.com/a", "https://vk.com/b")
    assert submit(user, "https://vk.com/b", "https://vk.com/c").social_links == [
        "https://vk.com/a",
        "https://vk.com/b",
        "https://vk.com/c",
    ]
    with pytest.raises(ApiError, match="bad_request"):
        submit(user, *(f"https://vk.com/{n}" for n in range(18)))


def test_racing_first_submits_make_one_entry_with_all_links(lottery):
    user = make_user()
    links = iter([f"https://vk.com/{n}" for n in range(8)])
    results = at_once(lambda: submit(user, next(links)), 8)
    assert len({entry.id for entry in results}) == 1
    with transaction() as session:
        assert len(lotteries.entry_of(session, user.id, now=now()).social_links) == 8


def test_an_invitation_during_the_lottery_makes_an_entry_and_counts(lottery):
    inviter = make_user()
    for _ in range(2):
        make_user(ref_code=inviter.ref_code)
    with transaction() as session:
        entry = lotteries.entry_of(session, inviter.id, now=now())
    assert (entry.referral_count, entry.social_links) == (2, [])


def test_without_a_part_there_is_no_entry(lottery):
    with pytest.raises(ApiError, match="entry_not_found"), transaction() as session:
        lotteries.entry_of(session, make_user().id, now=now())


def test_the_draw_happens_once_pays_tokens_and_can_be_verified(lottery):
    people = {make_user() for _ in range(6)}
    entries = {str(submit(person, "https://vk.com/x").id): person for person in people}
    end(lottery)
    drawn = [result for result in at_once(draw, 4) if result is not None]
    assert len(drawn) == 1
    won = winners(lottery)
    assert [winner.place for winner in won] == [1, 2, 3]
    assert len({winner.entry_id for winner in won}) == 3
    for winner in won:
        assert balance(entries[str(winner.entry_id)].id) == winner.tokens
    with transaction() as session:
        fresh = lotteries.get(session, lottery.id)
        assert hashlib.sha256(fresh.seed.encode()).hexdigest() == lottery.seed_hash
        assert draws.verified(session, fresh) == []


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE lotteries SET seed = 'other' WHERE id = :id",
        "UPDATE lottery_entries SET referral_count = 9 WHERE lottery_id = :id",
        "UPDATE lottery_winners SET place = place + 10 WHERE lottery_id = :id AND round = 1",
        """UPDATE lottery_winners SET entry_id = (
               SELECT entry_id FROM lottery_winners WHERE lottery_id = :id AND round * place = 1
           ) WHERE lottery_id = :id AND round = 2""",
    ],
)
def test_verification_finds_a_changed_seed_entry_or_winner(lottery, tampering):
    for _ in range(4):
        submit(make_user(), "https://vk.com/x")
    end(lottery)
    draw()
    with transaction() as session:
        draws.redraw(session, lottery.id, 2, reason="отказ")
    with engine().begin() as connection:
        connection.execute(text(tampering), {"id": lottery.id})
    with transaction() as session:
        assert draws.verified(session, lotteries.get(session, lottery.id))
    with pytest.raises(ValueError, match=r"are not those|is not the one"), transaction() as session:
        draws.redraw(session, lottery.id, 2, reason="не на чем")


def test_before_the_draw_there_is_nothing_to_verify_prove_or_repeat(lottery):
    with transaction() as session:
        assert draws.verified(session, lottery) == ["this lottery has not been drawn"]
        with pytest.raises(ValueError, match="still secret"):
            draws.proof(session, lottery)
        for lottery_id in (lottery.id, uuid4()):
            with pytest.raises(ValueError, match="has not been drawn"):
                draws.redraw(session, lottery_id, 1, reason="рано")


def test_places_are_drawn_again_in_order_whichever_they_are(lottery):
    for _ in range(7):
        submit(make_user(), "https://vk.com/x")
    end(lottery)
    draw()
    with transaction() as session:
        rounds = [draws.redraw(session, lottery.id, place, reason="?").round for place in (3, 1, 3)]
    assert rounds == [2, 3, 4]
    with transaction() as session:
        drawn = lotteries.get(session, lottery.id)
        assert draws.verified(session, drawn) == []
        again = [(each["round"], each["place"]) for each in draws.proof(session, drawn)["redraws"]]
    assert again == [(2, 3), (3, 1), (4, 3)]


def test_a_lottery_nobody_entered_is_drawn_with_no_winners(lottery):
    end(lottery)
    assert draw().id == lottery.id
    assert winners(lottery) == []


def test_nobody_enters_after_the_draw(lottery):
    user = make_user()
    moment = now()
    end(lottery)
    draw()
    with pytest.raises(ApiError, match="no_current_lottery"), transaction() as session:
        lotteries.submit_social(session, user.id, ["https://vk.com/x"], now=moment)


def test_a_redraw_needs_a_reason_and_leaves_out_everyone_who_won(lottery):
    for _ in range(4):
        submit(make_user(), "https://vk.com/x")
    end(lottery)
    draw()
    first = {winner.entry_id for winner in winners(lottery)}
    with transaction() as session:
        again = draws.redraw(session, lottery.id, 1, reason="победитель отказался")
    assert again.entry_id not in first
    assert (again.round, again.reason) == (2, "победитель отказался")
    assert winners(lottery)[0].entry_id == again.entry_id
    with pytest.raises(ValueError, match="nobody left"), transaction() as session:
        draws.redraw(session, lottery.id, 2, reason="и этот")
    with transaction() as session:
        assert draws.verified(session, lotteries.get(session, lottery.id)) == []
        assert session.query(LotteryWinner).filter_by(lottery_id=lottery.id).count() == 4


def test_a_redrawn_prize_starts_an_order_that_came_at_the_same_moment(lottery):
    users = [make_user() for _ in range(4)]
    for user in users:
        submit(user, "https://vk.com/x")
    end(lottery)
    draw()
    with transaction() as session:
        won = select(LotteryWinner.entry_id).where(LotteryWinner.lottery_id == lottery.id)
        left = select(LotteryEntry.user_id).where(
            LotteryEntry.lottery_id == lottery.id, LotteryEntry.id.not_in(won)
        )
        last = session.scalars(left).one()

    def again():
        with transaction() as session:
            draws.redraw(session, lottery.id, 1, reason="победитель отказался")

    photo = make_image()
    with ThreadPoolExecutor(1) as other:
        with transaction() as session:
            named = {"type": "image", "dataId": str(photo.id)}
            job = jobs.create(session, last, service_type="restore", input=[named])
            assert job.status == "waiting_payment"
            redrawn = other.submit(again)
            wait_for_a_waiter()
        redrawn.result()
    with transaction() as session:
        assert jobs.get(session, job.id).status == "queued"


def test_the_draw_is_fair_by_tickets():
    """Chi-square over many seeds, three entries of 1, 2 and 3 tickets; 13.8 is p = 0.001."""
    entries = [Ticket("a", 1), Ticket("b", 2), Ticket("c", 3)]
    hashed = draws.entries_hash(entries)
    rounds = 6000
    seen = Counter(
        draws.chosen(entries, f"seed {n}", "lottery", hashed, turns=[(1, 1)])[1, 1]
        for n in range(rounds)
    )
    chi_square = sum(
        (seen[entry.entry_id] - rounds * entry.tickets / 6) ** 2 / (rounds * entry.tickets / 6)
        for entry in entries
    )
    assert chi_square < 13.8


def test_registration_outside_a_lottery_counts_nowhere(no_rows):
    inviter = make_user()
    with transaction() as session:
        registration.register_or_log_in(session, uuid4().hex, ref_code=inviter.ref_code)
    with pytest.raises(ApiError, match="no_current_lottery"), transaction() as session:
        lotteries.entry_of(session, inviter.id, now=now())


def test_who_registers_while_the_lottery_is_drawn_is_registered_and_counts_nowhere(lottery):
    inviter = make_user()
    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            draws.draw_due(session, now=lottery.end_date)
            late = pool.submit(make_user, ref_code=inviter.ref_code)
            wait_for_a_waiter()
        assert late.result(10).referrer_id == inviter.id
    with transaction() as session:
        entries = select(LotteryEntry).where(LotteryEntry.lottery_id == lottery.id)
        assert session.scalars(entries).all() == []
    end(lottery)


def test_what_cannot_be_a_lottery_is_refused_with_its_reason(lottery):
    later = lottery.end_date + timedelta(days=1)
    terms = {"title": "t", "description": "d", "start_date": later}
    for end_date, prizes, reason in (
        (later, PRIZES, "the end must come after the start"),
        (later - timedelta(seconds=1), PRIZES, "the end must come after the start"),
        (later + timedelta(days=1), [Prize("?", 1001, Decimal(1))], "at most 1000 prizes"),
    ):
        with pytest.raises(ValueError, match=reason), transaction() as session:
            lotteries.create(session, **terms, end_date=end_date, prizes=prizes)


def test_a_lottery_that_is_over_is_neither_changed_nor_closed(lottery):
    with pytest.raises(ValueError, match="after the start"), transaction() as session:
        lotteries.change(session, lottery.id, end_date=lottery.start_date)
    with transaction() as session:
        assert lotteries.change(session, lottery.id, title="Зима").title == "Зима"
        lotteries.cancel(session, lottery.id)
    for call in (lotteries.cancel, lotteries.change):
        with pytest.raises(ValueError, match="has been closed"), transaction() as session:
            call(session, lottery.id)
        with pytest.raises(ValueError, match="no such lottery"), transaction() as session:
            call(session, uuid4())
