"""What customers got as responses: their own books, which the server's must match in the end."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass
class Person:
    """What a customer knows about themselves; `channel` and `review`: have earned that bonus."""

    telegram_id: str
    inviter_id: str | None = None
    channel: bool = False
    review: bool = False


@dataclass(frozen=True)
class Intent:
    """A payment page that was promised."""

    user_id: str
    provider: str
    tokens: Decimal
    reference: str


@dataclass
class Books:
    """Acknowledged effects by their ids, as text. Threads write different keys.

    answers: all ids ever returned for an Idempotency-Key. paid: payments for which a provider has
    taken money.
    """

    people: dict[str, Person] = field(default_factory=dict)
    uploads: dict[str, str] = field(default_factory=dict)  # data id -> SHA-256 of the bytes
    jobs: dict[str, str] = field(default_factory=dict)  # job id -> user id
    cancelled: set[str] = field(default_factory=set)
    intents: dict[str, Intent] = field(default_factory=dict)
    paid: set[str] = field(default_factory=set)
    answers: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def bought(self) -> Counter[str]:
        """User id -> hundredths of tokens that were paid for."""
        bought: Counter[str] = Counter()
        for payment_id in self.paid:
            intent = self.intents[payment_id]
            bought[intent.user_id] += int(intent.tokens * 100)
        return bought

    def buyers(self) -> set[str]:
        """Users who have paid at least once."""
        return {self.intents[payment_id].user_id for payment_id in self.paid}
