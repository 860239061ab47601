"""What counts as the public internet."""

from __future__ import annotations

import socket
import threading
from ipaddress import ip_address

import pytest

from providers.addresses import is_inside_by_name, is_public, resolve


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.8.8.8",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::808:808",
        "2001::5ef5:79fd:0:1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:808:808::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%1",
        "fec0::1",
        "ff02::1",
        "5f00::1",
    ],
)
def test_addresses_of_our_own_side_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "193.0.6.139", "2a00:1450:4010:c0f::65", "::ffff:8.8.8.8", "64:ff9b::808:808"],
)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "127.0.0.1.",
        "0",
        "[::1]",
        "::ffff:10.0.0.1",
        "[::ffff:7f00:1]",
        "fe80::1%lo",
        "localhost",
        "LOCALHOST.",
        "a.b.localhost",
    ],
)
def test_a_host_may_be_inside_by_its_very_name(host: str) -> None:
    assert is_inside_by_name(host)


@pytest.mark.parametrize(
    "host",
    [
        "8.8.8.8",
        "134744072",
        "[2a00:1450:4010:c0f::65]",
        "example.com",
        "localhost.example.com",
        "notlocalhost",
        "127.0.0.1.example.com",
        "a" * 64 + ".test",
    ],
)
def test_names_and_public_addresses_are_not_inside_by_name(host: str) -> None:
    assert not is_inside_by_name(host)


def test_a_look_up_is_bounded_although_the_systems_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait() and [])
    with pytest.raises(TimeoutError):
        resolve("slow.test", 0.2)
    over.set()
