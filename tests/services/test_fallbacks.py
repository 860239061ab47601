"""What becomes of an order whose attempt ended without a result."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from db.models.engines import MOST_PAID_ATTEMPTS
from services.fallbacks import MOST_ATTEMPTS, Again, Candidate, Elsewhere, GiveUp, Tried, after

LIMITS = {"USD": Decimal("1.00")}
TROUBLES = [
    *("credit", "auth", "lock", "config", "busy", "infrastructure", "refusal", "input"),
    *("no_result", "absent", "unclear", "deadline"),
]


def model(number: int, engine: str, cost: str = "0.35") -> Candidate:
    return Candidate(UUID(int=number), engine, Decimal(cost), "USD")


REPLICATE, FAL, POLZA = model(1, "replicate"), model(2, "fal"), model(3, "polza")
EMBEDDED = model(4, "embedded", "0")
OTHERS = [REPLICATE, FAL, POLZA]


def tried(trouble: str, candidate: Candidate = REPLICATE, *, charged: bool = False) -> Tried:
    return Tried(
        candidate.model_id,
        candidate.engine,
        trouble,
        charged,
        candidate.cost,
        candidate.currency,
    )


def step(*attempts: Tried, others=OTHERS, closed=(), limits=LIMITS, current=REPLICATE):
    return after(attempts, current, others, limits=limits, closed=closed)


def test_what_passes_is_tried_again_at_the_same_engine_and_then_elsewhere():
    assert isinstance(step(tried("infrastructure")), Again)
    assert step(*[tried("infrastructure")] * 3) == Elsewhere(FAL)


def test_an_account_in_trouble_sends_the_order_on_or_lets_it_wait():
    assert step(tried("credit")) == Elsewhere(FAL)
    assert isinstance(step(tried("credit"), closed={"fal", "polza"}), Again)


def test_a_second_refusal_ends_it_with_a_sentence_for_the_customer():
    assert step(tried("refusal")) == Elsewhere(FAL)
    ended = step(tried("refusal"), tried("refusal", FAL), current=FAL)
    assert isinstance(ended, GiveUp) and ended.code == "content_rejected"


def test_nobody_pays_three_times():
    paid = [tried("no_result", charged=True), tried("no_result", FAL, charged=True)]
    assert isinstance(step(*paid, current=FAL), GiveUp)
    assert step(*paid, current=FAL, others=[POLZA, EMBEDDED]) == Elsewhere(EMBEDDED)


def test_a_limit_of_cost_counts_in_its_currency():
    paid = tried("no_result", charged=True)
    assert isinstance(step(paid, limits={"USD": Decimal("0.50")}), GiveUp)
    rubles = replace(FAL, cost=Decimal(30), currency="RUB")
    assert step(paid, others=[rubles], limits={"USD": Decimal("0.50")}) == Elsewhere(rubles)


def test_what_may_be_running_is_never_followed_by_another_order():
    assert isinstance(step(tried("unclear", charged=True)), GiveUp)


@given(
    st.lists(st.tuples(st.sampled_from(TROUBLES), st.booleans()), min_size=1, max_size=40),
    st.permutations([REPLICATE, FAL, POLZA, EMBEDDED]),
    st.sets(st.sampled_from(["replicate", "fal", "polza"])),
)
def test_whatever_happens_it_ends_pays_twice_at_most_and_stays_within_the_limit(
    outcomes, others, closed
):
    current, done = REPLICATE, []
    for trouble, charged in outcomes:
        done.append(tried(trouble, current, charged=charged and current.is_paid))
        assert sum(each.charged for each in done) <= MOST_PAID_ATTEMPTS
        spent = sum((each.cost for each in done if each.charged), Decimal(0))
        assert spent <= LIMITS["USD"]
        decision = after(done, current, others, limits=LIMITS, closed=closed)
        if isinstance(decision, GiveUp):
            assert decision.message.endswith(".") and "Токены возвращены" in decision.message
            return
        if isinstance(decision, Elsewhere):
            assert decision.candidate.engine not in {each.engine for each in done} | closed
            current = decision.candidate
        if current == EMBEDDED:  # from here on the worker's own rules count
            return
    assert len(done) <= MOST_ATTEMPTS or len(done) == len(outcomes)
