"""Tag Events: what the bot is told."""

from __future__ import annotations

from handlers import schemas
from spec.functions import Reply
from spec.waits import EventsAfter, NotYet
from workflows import feed


def events_list(after: int | None, limit: int, wait: int) -> Reply:
    page = feed.read(after, limit=limit)
    if not page.events and wait:
        raise NotYet(EventsAfter(page.after), wait)
    return [schemas.event(event, page.files) for event in page.events], 200
