"""The client's address: only our own proxies may name another one."""

from __future__ import annotations

import pytest

from providers.payments.source_addresses import SourceFilter

YOOKASSA, STRANGER, PROXY = "185.71.76.5", "203.0.113.7", "10.0.0.2"


@pytest.mark.parametrize(
    ("client_ip", "forwarded_for", "admitted"),
    [
        (YOOKASSA, "", True),
        ("77.75.156.35", "", True),
        ("2a02:5180:0:1509::1", "", True),
        ("::ffff:185.71.76.5", "", True),
        (STRANGER, "", False),
        (STRANGER, YOOKASSA, False),  # a header that anybody can write
        (PROXY, YOOKASSA, True),
        (PROXY, STRANGER, False),
        (PROXY, f"{YOOKASSA}, {STRANGER}", False),  # the stranger wrote the first one
        (PROXY, f"{STRANGER}, {YOOKASSA}", True),
        (PROXY, f"{YOOKASSA}, 10.0.0.9", True),
        (PROXY, f"{YOOKASSA}:51234", True),
        (PROXY, "[2a02:5180::5]:443", True),
        (PROXY, "[2a02:5180::5]", True),
        (PROXY, f"{YOOKASSA}:51234, 10.0.0.9:80", True),
        (PROXY, f"{YOOKASSA}:51234, {STRANGER}:443", False),
        (PROXY, "[2001:db8::1]:443", False),
        (PROXY, "[]:443", False),
        (PROXY, f"{YOOKASSA}:", False),
        (PROXY, f"[{YOOKASSA}", False),
        (PROXY, "", False),
        (PROXY, "nonsense", False),
        ("", YOOKASSA, False),
        (None, YOOKASSA, False),
    ],
)
def test_the_nearest_address_that_is_not_ours_decides(
    client_ip: str | None, forwarded_for: str, admitted: bool
) -> None:
    sources = SourceFilter(["10.0.0.0/24"])
    assert sources.admits(client_ip, forwarded_for) is admitted


def test_without_trusted_proxies_the_header_says_nothing() -> None:
    assert not SourceFilter([]).admits(PROXY, YOOKASSA)
