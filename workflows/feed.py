"""What the bot reads of the feed, and whether there is anything new for those who wait."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from db import reading, transaction
from db.rows import EventRow
from errors import ApiError
from services import feed, jobs
from services.feed import ResultFile
from spec.waits import Awaited, EventsAfter, JobChanges


@dataclass(frozen=True)
class Page:
    """Events, and the files that they name, by dataId. after: the sequence number that they
    come behind."""

    events: list[EventRow]
    files: dict[str, ResultFile]
    after: int


def read(after: int | None, *, limit: int) -> Page:
    """The events behind `after`, oldest first; None goes on where the bot has confirmed last.

    Giving `after` confirms all up to there. ApiError `bad_request` for a sequence number
    that no event has had: the bot would wait for ever.
    """
    with reading() as reader:
        confirmed = feed.confirmed(reader)
        if after is not None and after > max(confirmed, feed.last_sequence(reader)):
            raise ApiError("bad_request", details={"after": "is beyond the newest event"})
        start = confirmed if after is None else after
        events = feed.after(reader, start, limit=limit)
        unpublished = not events and feed.is_behind(reader)
    if unpublished:
        publish()
    if start > confirmed:
        with transaction() as session:
            feed.confirm(session, start)
    with reading() as reader:
        events = events or feed.after(reader, start, limit=limit)
        return Page(events, feed.files(reader, events), start)


def publish() -> int:
    """Give committed events their sequence numbers; returns how many."""
    with transaction() as session:
        return feed.publish(session)


def come(awaited: Collection[Awaited]) -> set[Awaited]:
    """Which of these have come; looked up for all of them together."""
    behind = {each for each in awaited if isinstance(each, EventsAfter)}
    if behind:
        publish()
    with reading() as reader:
        newest = feed.newest(reader) if behind else 0
        waiting = [each for each in awaited if isinstance(each, JobChanges)]
        states = jobs.states(reader, [each.job_id for each in waiting])
    changed = {each for each in waiting if states.get(each.job_id) != (each.status, each.progress)}
    return {each for each in behind if each.sequence < newest} | changed
