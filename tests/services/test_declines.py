"""Every reason that a provider can give has a sentence for the customer."""

from __future__ import annotations

import pytest

from providers.payments.declines import Decline
from services import declines


def test_every_reason_has_a_sentence_of_its_own() -> None:
    ends = {"expired", "not_paid"}
    assert {*Decline} | ends == declines.SENTENCES.keys()
    assert len(set(declines.SENTENCES.values())) == len(declines.SENTENCES)
    assert all(len(sentence) <= 200 for sentence in declines.SENTENCES.values())


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        ("pending", None, None),
        ("pending", "card_expired", "card_expired"),
        ("canceled", "suspicious", "suspicious"),
        ("canceled", "of_a_later_version", "refused_by_bank"),
        ("canceled", None, "not_paid"),
        ("expired", None, "expired"),
        ("expired", "card_expired", "expired"),
        ("succeeded", "card_expired", None),
        ("refunded", None, None),
    ],
)
def test_what_is_told_depends_on_what_became_of_it(
    status: str, reason: str | None, code: str | None
) -> None:
    refusal = declines.of(status, reason)
    assert (refusal and refusal.code) == code
