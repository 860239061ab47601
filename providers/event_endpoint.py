"""The bot's address: events are posted there as Standard Webhooks 1.0 asks.

The operator set it, so it may be in a private network. It gets no redirect followed, no proxy, no
cookie and little time, and no more of its answer is read than an operator would want to see.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from urllib.parse import urlsplit

import certifi

from providers import outside
from providers.addresses import Address, is_metadata, resolve
from providers.sessions import USER_AGENT
from providers.sockets import cut_at, first_answering, seconds_left

CONNECT_SECONDS = 3.0
TOTAL_SECONDS = 10.0
MOST_ANSWER_BYTES = 4096
SIGNING = 2  # of the secrets in EVENTS_SECRETS, so that they can be rotated
MOST_RETRY_AFTER_SECONDS = 3600.0
GONE = 410

Resolve = Callable[[str, float], list[Address]]


@dataclass(frozen=True)
class Delivery:
    """What came of one attempt. status: None without an answer; error: for the operator, or empty.

    retry_after: seconds for which the bot asked us to wait, an hour at most.
    """

    status: int | None
    error: str = ""
    retry_after: float | None = None

    @property
    def delivered(self) -> bool:
        """Whether the bot has it: any 2xx, and nothing else."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def refused(self) -> bool:
        """Whether the bot asks never to be sent this again."""
        return self.status == GONE


class _ForbiddenError(Exception):
    """An address that no bot has."""


class Endpoint:
    """EVENTS_URL with its secrets. Safe to share between threads."""

    def __init__(self, url: str, secrets: Sequence[str], *, resolve: Resolve = resolve) -> None:
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._secure else 80)
        self._authority = parts.netloc
        self._path = parts.path or "/"
        self._keys = [_key(secret) for secret in secrets[:SIGNING]]
        self._resolve = resolve

    def post(self, event_id: str, body: bytes, *, now: datetime) -> Delivery:
        """Post one event, signed with the time of this attempt; never raises."""
        outside.leave("events post")
        deadline = time.monotonic() + TOTAL_SECONDS
        headers = {
            "Host": self._authority,
            "User-Agent": USER_AGENT,
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "Connection": "close",
            **signed(event_id, body, self._keys, now=now),
        }
        try:
            with closing(self._connect(deadline)) as sock, cut_at(deadline, sock):
                delivery = self._ask(sock, headers, body)
            # A head that was cut looks like a whole one.
            late = time.monotonic() >= deadline
            return Delivery(None, "no answer in time") if late else delivery
        except _ForbiddenError:
            return Delivery(None, "leads to the services of a cloud, which get no events")
        except ssl.SSLCertVerificationError:
            return Delivery(None, "the certificate is not valid")
        except socket.gaierror:
            return Delivery(None, "the name is not known")
        except (OSError, http.client.HTTPException, ValueError) as error:
            late = time.monotonic() >= deadline
            return Delivery(None, "no answer in time" if late else type(error).__name__)

    def _connect(self, deadline: float) -> socket.socket:
        addresses = self._resolve(self._host, CONNECT_SECONDS)
        if any(is_metadata(address) for address in addresses):
            raise _ForbiddenError
        sock = first_answering(addresses, self._port, seconds=CONNECT_SECONDS, deadline=deadline)
        try:
            sock.settimeout(seconds_left(deadline))
            if self._secure:
                sock = _trust().wrap_socket(sock, server_hostname=self._host)
        except BaseException:
            sock.close()
            raise
        return sock

    def _ask(self, sock: socket.socket, headers: dict[str, str], body: bytes) -> Delivery:
        connection = http.client.HTTPConnection(self._host, self._port)
        connection.sock = sock
        connection.request("POST", self._path, body, headers)
        with closing(connection.getresponse()) as response:
            if 200 <= response.status < 300:
                return Delivery(response.status)  # what else it says does not matter
            said = response.read(MOST_ANSWER_BYTES).decode(errors="replace").replace("\0", "")
            retry_after = _seconds(response.getheader("Retry-After", ""), response)
            return Delivery(response.status, said.strip(), retry_after)


def signed(event_id: str, body: bytes, keys: Sequence[bytes], *, now: datetime) -> dict[str, str]:
    """The three headers of Standard Webhooks 1.0; each key makes a signature of its own."""
    timestamp = str(int(now.timestamp()))
    content = f"{event_id}.{timestamp}.".encode() + body
    signatures = (
        "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
        for key in keys
    )
    return {
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signatures),
    }


def _key(secret: str) -> bytes:
    """The bytes of a secret, whose form the settings have checked."""
    return base64.b64decode(secret.removeprefix("whsec_"))


def _seconds(value: str, response: http.client.HTTPResponse) -> float | None:
    """Retry-After, as seconds or as a date, which counts from the answer's Date (RFC 9110)."""
    if value.strip().isdecimal():
        return min(float(value), MOST_RETRY_AFTER_SECONDS)
    try:
        gap = parsedate_to_datetime(value) - parsedate_to_datetime(response.getheader("Date", ""))
    except (TypeError, ValueError):
        return None
    return min(max(gap.total_seconds(), 0.0), MOST_RETRY_AFTER_SECONDS)


@cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certifi.where())
