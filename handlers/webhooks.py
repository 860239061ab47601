"""Tag Webhooks: what providers post. They bring their own proof, so no X-API-Key."""

from __future__ import annotations

from collections.abc import Mapping

from spec.functions import Reply
from workflows import payment_events


def webhook_payments(
    provider: str, raw_body: bytes, headers: Mapping[str, str], client_ip: str | None
) -> Reply:
    payment_events.receive(provider, raw_body, headers, client_ip=client_ip)
    return {}, 200
