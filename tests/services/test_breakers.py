"""When an engine in trouble takes no orders, and when it does again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.breakers import DAILY_COST, LONGEST_PAUSE, TOO_MANY, WINDOW, Breaker

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def after(outcomes: str, breaker: Breaker | None = None) -> Breaker:
    state = breaker or Breaker()
    for outcome in outcomes:
        state = state.after_success(NOON) if outcome == "s" else state.after_failure(NOON, "503")
    return state


def test_five_failures_of_the_last_ten_open_it_and_four_do_not():
    assert not after("ffff").is_open(NOON)
    assert after("fsfsfsfsf").is_open(NOON)
    assert not after("ffff" + "s" * WINDOW + "f").is_open(NOON)


def test_after_a_minute_one_order_is_a_trial_and_its_failure_doubles_the_pause():
    opened = after("f" * TOO_MANY)
    assert not opened.is_open(NOON + MINUTE) and opened.is_on_trial(NOON + MINUTE)
    again = opened.after_failure(NOON + MINUTE, "503")
    assert again.is_open(NOON + MINUTE * 2) and not again.is_open(NOON + MINUTE * 3)


def test_a_success_closes_it():
    closed = after("f" * TOO_MANY).after_success(NOON)
    assert not closed.is_open(NOON) and not closed.is_on_trial(NOON) and closed.trips == 0


def test_an_order_that_was_sent_before_a_pause_began_does_not_end_it():
    paused = Breaker().paused(NOON + MINUTE, DAILY_COST).after_success(NOON)
    assert paused.is_open(NOON) and paused.open_code == DAILY_COST
    assert paused.after_success(NOON + MINUTE) == Breaker(recent="ss")


def test_trouble_with_the_account_stays_until_the_provider_says_that_all_is_well():
    locked = Breaker().after_lockout(NOON, "credit", "402")
    later = NOON + timedelta(days=1)
    assert locked.is_open(later) and locked.needs_probe(later) and not locked.needs_probe(NOON)
    still = locked.after_probe(later, "credit", "402")
    assert still.is_open(later) and not still.needs_probe(later)
    well = locked.after_probe(later, None, "")
    assert not well.is_open(later) and well.is_on_trial(later)


def test_a_pause_for_too_many_requests_ends_without_a_trial():
    busy = Breaker().paused(NOON + MINUTE, "busy")
    assert busy.is_open(NOON)
    assert not busy.is_open(NOON + MINUTE) and not busy.is_on_trial(NOON + MINUTE)


@given(st.text("sf", max_size=60), st.integers(0, 3600))
def test_it_never_stays_open_longer_than_the_longest_pause(outcomes: str, seconds: int):
    state, moment = Breaker(), NOON
    for outcome in outcomes:
        moment += timedelta(seconds=seconds)
        state = state.after_success(moment) if outcome == "s" else state.after_failure(moment, "")
        assert len(state.recent) <= WINDOW
        assert not state.is_open(moment + LONGEST_PAUSE)
