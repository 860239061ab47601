"""Posts what is in the outbox: claim and commit, post without a transaction, record and commit."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from random import Random
from uuid import uuid4

import orjson

import settings
from db import transaction
from db.rows import EventRow
from db.types import moment, now
from providers.event_endpoint import Delivery, Endpoint
from services import events, feed, outbox
from telemetry import metrics

log = logging.getLogger("workflows")

Post = Callable[[EventRow], Delivery]
# How a sender posts a batch: in its threads.
PostAll = Callable[[Post, Sequence[EventRow]], Iterable[Delivery]]


def endpoint() -> Endpoint | None:
    """The bot's address, None when it only reads."""
    current = settings.load()
    return Endpoint(current.events_url, current.events_secrets) if current.events_url else None


def send_due(to: Endpoint, *, limit: int, post_all: PostAll, chance: Random) -> list[Delivery]:
    """Post events that are due; what came of each.

    Killed between post and record, it leaves them to be posted again when the lease has run out.
    """
    with transaction() as session:
        feed.publish(session)
    with transaction() as session:
        taken = outbox.claim(session, limit=limit)
    if not taken:
        return []
    deliveries = list(post_all(partial(_post, to), taken))
    with transaction() as session:
        outbox.delivered(
            session, [event for event, it in zip(taken, deliveries, strict=True) if it.delivered]
        )
    for event, delivery in zip(taken, deliveries, strict=True):
        if not delivery.delivered:
            _record_failure(event, delivery, chance)
    return deliveries


def _post(to: Endpoint, event: EventRow) -> Delivery:
    started = time.monotonic()
    delivery = to.post(str(event.id), message(event), now=now())
    outcome = "delivered" if delivery.delivered else "refused" if delivery.refused else "failed"
    metrics.deliveries.add(event.type, outcome)
    metrics.delivery_seconds.observe(time.monotonic() - started)
    return delivery


def message(event: EventRow) -> bytes:
    """What is posted: the contract's EventMessage. Without links, which would expire on the way."""
    return orjson.dumps(
        {
            "type": event.type,
            "timestamp": moment(event.created_at),
            "data": events.as_json(event),
        }
    )


def ping(to: Endpoint) -> Delivery:
    """Post a test event, which is not stored; a bot skips it as of a type it does not know."""
    body = {"type": "outbox.ping", "timestamp": moment(now()), "data": {}}
    return to.post(f"ping_{uuid4().hex}", orjson.dumps(body), now=now())


def _record_failure(event: EventRow, delivery: Delivery, chance: Random) -> None:
    with transaction() as session:
        if delivery.refused:
            dead = outbox.give_up(session, event, status=delivery.status, error="gone")
        else:
            dead = outbox.failed(
                session,
                event,
                status=delivery.status,
                error=delivery.error,
                retry_after=delivery.retry_after,
                chance=chance,
            )
    facts = {"event": str(event.id), "type": event.type, "attempt": event.attempt}
    facts["status"] = delivery.status or delivery.error
    if dead:
        log.error("event is dead: `cli.py outbox replay` sends it again", extra=facts)
    else:
        log.warning("event was not delivered, will be sent again", extra=facts)
