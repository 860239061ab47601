"""Which addresses belong to the public internet, and what a name resolves to."""

from __future__ import annotations

import socket
import threading
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from queue import Empty, SimpleQueue

Address = IPv4Address | IPv6Address

# All that IANA has allocated for the public internet; we do not use the rest of IPv6.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# RFC 6052: in networks without IPv4, this is how an IPv4 address looks.
_NAT64 = IPv6Network("64:ff9b::/96")
# Not private according to their registry or Python 3.11, yet not public.
_INSIDE = (
    IPv4Network("192.0.0.0/24"),  # RFC 6890; Oracle's cloud answers with credentials at .192
    IPv4Network("192.88.99.0/24"),  # RFC 7526: relays into IPv6
    IPv4Network("168.63.129.16/32"),  # Azure's host
)


# Besides the link-local ones: Azure's host, Oracle's and Amazon's services over IPv6.
_METADATA = {
    ip_address("168.63.129.16"),
    ip_address("192.0.0.192"),
    ip_address("fd00:ec2::254"),
}


def is_public(address: Address) -> bool:
    """Whether this is a host on the public internet, as opposed to us and our neighbours.

    IPv6 forms that lead to an IPv4 address are judged by that one, or refused.
    """
    if isinstance(address, IPv4Address):
        inside = any(address in network for network in _INSIDE)
        return address.is_global and not address.is_multicast and not inside
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    tunnelled = address.sixtofour is not None or address.teredo is not None
    return address in _GLOBAL_UNICAST and address.is_global and not tunnelled


def is_metadata(address: Address) -> bool:
    """Whether a cloud tells secrets of this machine there, or answers itself: never a bot."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return is_metadata(address.ipv4_mapped)
    return address.is_link_local or address in _METADATA


def is_inside_by_name(host: str) -> bool:
    """Whether a host is surely not public, whatever a resolver says: an address in any spelling
    that resolvers read (2130706433, 0x7f.1, [::ffff:7f00:1], a dot at the end), or `localhost`.
    """
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761
        return True
    try:
        # The reader that resolve() uses; with this flag it never asks anybody.
        found = socket.getaddrinfo(name, None, flags=socket.AI_NUMERICHOST)
        return not all(is_public(ip_address(address[0])) for *_, address in found)
    except (OSError, ValueError):  # a name
        return False


def resolve(host: str, seconds: float) -> list[Address]:
    """The addresses of a name according to the system, the best first.

    socket.gaierror when there are none, TimeoutError when the system does not answer within
    `seconds`: it has no limit of its own.
    """
    answers: SimpleQueue[list[Address] | Exception] = SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            answers.put([ip_address(address[0]) for *_, address in found])
        except (OSError, ValueError) as error:
            answers.put(error)

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        raise TimeoutError("no answer to a name look-up") from None
    if isinstance(answer, Exception):
        raise answer
    return answer
