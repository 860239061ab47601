"""Where a request comes from, looking behind our own proxies only."""

from __future__ import annotations

from flask import request

import settings
from providers.payments.source_addresses import client_address
from workflows.logins import Visitor


def address() -> str:
    """The address of whoever sent the request."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    return client_address(request.remote_addr, forwarded, settings.load().trusted_proxies)


def visitor() -> Visitor:
    """Address and browser."""
    return Visitor(address(), request.headers.get("User-Agent", ""))
