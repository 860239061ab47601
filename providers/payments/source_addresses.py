"""Where a connection really comes from, and whether that is YooKassa.

An optional filter against noise: YooKassa signs nothing, so what it posts is always read back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# https://yookassa.ru/developers/using-api/webhooks#ip
YOOKASSA_NETWORKS = (
    "185.71.76.0/27",
    "185.71.77.0/27",
    "77.75.153.0/25",
    "77.75.156.11/32",
    "77.75.156.35/32",
    "77.75.154.128/25",
    "2a02:5180::/32",
)
# Some proxies add the port: 185.71.76.5:51234, [2a02:5180::5]:443.
_BRACKETS_OR_PORT = re.compile(r"\[([^]]*)](?::[0-9]+)?|([0-9.]+):[0-9]+")


class SourceFilter:
    """Admits connections from `networks`, looking behind our own proxies only.

    trusted_proxies: addresses or networks whose X-Forwarded-For is trusted.
    """

    def __init__(
        self, trusted_proxies: Iterable[str], networks: Iterable[str] = YOOKASSA_NETWORKS
    ) -> None:
        self._trusted = [ip_network(proxy) for proxy in trusted_proxies]
        self._networks = [ip_network(network) for network in networks]

    def admits(self, client_ip: str | None, forwarded_for: str) -> bool:
        """Whether the nearest address that is not a trusted proxy is in the networks."""
        address = _nearest(client_ip, forwarded_for, self._trusted)
        return address is not None and _within(address, self._networks)


def client_address(
    client_ip: str | None, forwarded_for: str, trusted_proxies: Iterable[str]
) -> str:
    """The nearest address that is not a trusted proxy; empty where none can be read."""
    trusted = [ip_network(proxy) for proxy in trusted_proxies]
    return str(_nearest(client_ip, forwarded_for, trusted) or "")


def _nearest(
    client_ip: str | None, forwarded_for: str, trusted: Sequence[Network]
) -> Address | None:
    hops = [*forwarded_for.split(","), client_ip or ""]
    while hops:
        address = _parse(hops.pop())
        if address is None or not _within(address, trusted):
            return address
    return None


def _parse(text: str) -> Address | None:
    text = text.strip()
    if written := _BRACKETS_OR_PORT.fullmatch(text):
        text = written[1] or written[2] or ""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A socket that listens on both families shows IPv4 in this form.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
