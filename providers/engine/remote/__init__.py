"""What engines behind an HTTP API have in common: the words they speak with the runner of jobs.

A run costs money, and no provider has idempotency keys. So an attempt is made in steps, and what
became of each step is a value, never an exception; the runner commits between them:

    engine.upload(attempt_id, photo)     harmless to repeat; nothing is ordered yet
      Uploaded                           commit the attempt with .reference, and only then:
    engine.create(order, photo)          sent once, never repeated here
      Accepted                           commit .external_id at once, alone
      NotSent, NotAccepted               nothing is running and nothing is owed
      Ambiguous                          it may be running: never create again, but find()
    engine.find(order, ...)              after each of pace.find_seconds, until one is certain
      Accepted, Absent, Unclear
    engine.poll(run)                     as often as pace says
      Queued, Running, Unanswered        ask again
      Succeeded                          engine.fetch(run, file, target) within minutes
      Failed, Canceled, Gone             the end
    engine.cancel(run)                   a wish: go on polling, it may have succeeded already

Engines know nothing of jobs, users or tokens. All of this may be called from any thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol
from uuid import UUID

from providers.engine.remote.recipes import MediaType, Money, Order, Price, Recipe

__all__ = [
    "ACCOUNT_TROUBLE",
    "Absent",
    "Accepted",
    "Ambiguous",
    "Canceled",
    "Charged",
    "Create",
    "Downloaded",
    "Failed",
    "Fetch",
    "Find",
    "Gone",
    "Health",
    "MediaType",
    "Money",
    "NotAccepted",
    "NotSent",
    "Order",
    "Pace",
    "Poll",
    "Price",
    "Problem",
    "Queued",
    "Recipe",
    "RemoteEngine",
    "RemoteFile",
    "Run",
    "Running",
    "Succeeded",
    "Trouble",
    "Unanswered",
    "Unclear",
    "Upload",
    "Uploaded",
]


class Trouble(StrEnum):
    """What kind of trouble it is, and with that whom it concerns."""

    CREDIT = "credit"  # the account has no money left
    AUTH = "auth"  # the key is refused
    LOCK = "lock"  # the provider has locked the account
    CONFIG = "config"  # it knows no such model, field or workflow: the recipe is wrong
    BUSY = "busy"  # too many requests: later
    INFRASTRUCTURE = "infrastructure"  # no answer, 5xx, a runner that died
    REFUSAL = "refusal"  # its filter does not like the photo or the wish
    INPUT = "input"  # it cannot read this photo
    NO_RESULT = "no_result"  # it has worked, but its file is expired, broken or of another kind


CODE_LENGTH, DETAIL_LENGTH = 64, 300
MOST_SILENCE_SECONDS = 3600.0

# These stop the whole engine until the operator has done something: no order would be accepted.
ACCOUNT_TROUBLE = frozenset({Trouble.CREDIT, Trouble.AUTH, Trouble.LOCK})


@dataclass(frozen=True)
class Problem:
    """What went wrong, for the breaker, the log and the operator; never shown to a customer.

    code: the provider's own code or "HTTP 503", for counting. detail: its words. Both are shortened
    to what fits in a line and a row. retry_after: seconds it asks us to be silent, an hour at most,
    None if it does not say.
    """

    trouble: Trouble
    code: str
    detail: str = ""
    retry_after: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", _printable(self.code)[:CODE_LENGTH])
        object.__setattr__(self, "detail", _printable(self.detail)[:DETAIL_LENGTH])
        if self.retry_after is not None:
            silence = min(max(self.retry_after, 0.0), MOST_SILENCE_SECONDS)
            object.__setattr__(self, "retry_after", silence)


class Charged(StrEnum):
    """Whether a run that gave no result is on our bill."""

    NO = "no"
    YES = "yes"
    MAYBE = "maybe"


@dataclass(frozen=True)
class Uploaded:
    """The photo is where the engine can read it.

    reference: goes into Order.photo; unique to this upload, so that find() knows the order by it.
    """

    reference: str


@dataclass(frozen=True)
class Accepted:
    """The provider has the order and will charge it. external_id: its id of the run."""

    external_id: str


@dataclass(frozen=True)
class NotSent:
    """The order surely did not reach the provider: no such name, nobody listens, no connection."""

    problem: Problem


@dataclass(frozen=True)
class NotAccepted:
    """Surely refused. With Trouble.BUSY the same order may be accepted later."""

    problem: Problem


@dataclass(frozen=True)
class Ambiguous:
    """Everything else: silence after sending, a cut connection, 5xx, an answer without an id."""

    problem: Problem


@dataclass(frozen=True)
class Absent:
    """The provider lists no such run now. Certain only after the last of pace.find_seconds."""


@dataclass(frozen=True)
class Unclear:
    """It could not be found out. candidates: external ids of runs that may each be ours."""

    problem: Problem
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """An accepted order: all that is needed to ask about it."""

    recipe: Recipe
    external_id: str


@dataclass(frozen=True)
class RemoteFile:
    """A result that is still at the provider. address: for fetch() only, never for a customer."""

    address: str


@dataclass(frozen=True)
class Queued:
    """It waits. position: how many are before it, None if unknown."""

    position: int | None = None


@dataclass(frozen=True)
class Running:
    """It works, or says something we do not know. percent: 0..99, None if it does not say."""

    percent: int | None = None


@dataclass(frozen=True)
class Succeeded:
    """There is a file. cost: as the provider counts it or our price table says."""

    file: RemoteFile
    cost: Money | None = None


@dataclass(frozen=True)
class Failed:
    """It has ended without a result, for good."""

    problem: Problem
    charged: Charged
    cost: Money | None = None


@dataclass(frozen=True)
class Canceled:
    """It was stopped: by our cancel(), or by the provider at the deadline of the order."""

    charged: Charged


@dataclass(frozen=True)
class Gone:
    """The provider knows no such run. Believe it when pace.gone_polls in a row say so."""

    problem: Problem


@dataclass(frozen=True)
class Unanswered:
    """No usable answer this time: nothing is known that was not known before. Ask again."""

    problem: Problem


@dataclass(frozen=True)
class Downloaded:
    """The file is here, of the recipe's media type by its first bytes; size in bytes."""

    content_type: str
    size: int


@dataclass(frozen=True)
class Health:
    """problem: None when orders should be accepted. balance: None if the provider tells none.

    An engine without a balance cannot say whether credit is back: only a create can.
    """

    problem: Problem | None = None
    balance: Money | None = None


@dataclass(frozen=True)
class Pace:
    """How often to ask, seconds.

    image, video: between polls in the first two minutes; late: after that. find_seconds: how long
    after an ambiguous create to look for it; an Absent at the last one is believed.
    """

    image: float = 2.0
    video: float = 5.0
    late: float = 10.0
    find_seconds: tuple[float, ...] = (30.0, 120.0)
    gone_polls: int = 3


Upload = Uploaded | NotSent | NotAccepted
Create = Accepted | NotSent | NotAccepted | Ambiguous
Find = Accepted | Absent | Unclear
Poll = Queued | Running | Succeeded | Failed | Canceled | Gone | Unanswered
Fetch = Downloaded | Failed | Unanswered


class RemoteEngine(Protocol):
    """One provider's API with our key. Never raises for anything a provider does.

    finds_by_mark: whether find() knows an order by a mark of its own, and not because all other
    runs of those minutes are somebody else's. Without one, two lost orders cannot be told apart.
    """

    name: str
    pace: Pace
    finds_by_mark: bool

    def upload(self, attempt_id: UUID, photo: Path) -> Upload:
        """Bring a prepared JPEG (EmbeddedEngine.prepare) to where the engine can read it.

        An upload whose outcome is unknown is NotSent: nothing was ordered, so it may be repeated.
        """

    def create(self, order: Order, photo: Path) -> Create:
        """Order one run. photo: the file that was uploaded; one engine takes it along here."""

    def find(self, order: Order, *, sent_at: datetime, known_ids: frozenset[str]) -> Find:
        """Look for the run of a create whose answer was lost.

        sent_at: when create() was called, aware. known_ids: external ids of this engine's other
        attempts of these minutes, which it cannot be.
        """

    def list_runs(
        self, recipe: Recipe, since: datetime, until: datetime
    ) -> Iterator[str | Problem]:
        """External ids of the runs of a model in that time, newest first; a Problem where the list
        breaks off. Nothing of an engine of our own, which is not paid by the run.
        """

    def poll(self, run: Run) -> Poll:
        """What has become of a run."""

    def cancel(self, run: Run) -> Unanswered | None:
        """Ask to stop a run; None when the provider has taken note, or there is nothing to stop."""

    def fetch(self, run: Run, file: RemoteFile, target: Path) -> Fetch:
        """Copy the file to `target`, from the engine's own hosts only and without our key."""

    def health(self) -> Health:
        """Whether orders would be accepted now, and our balance, without ordering anything."""


def _printable(text: str) -> str:
    """One line without what a log or PostgreSQL cannot take: NUL, half characters."""
    kept = "".join(sign if sign.isprintable() else " " for sign in text)
    return " ".join(kept.split())
