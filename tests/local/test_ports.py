"""Reserved ports: nobody else gets them, and who reserved one may start servers there."""

from __future__ import annotations

import socket
import sys

import pytest

from local import ports

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps a port reserved")


def test_a_reserved_port_is_given_to_nobody_else() -> None:
    port = ports.reserve()
    with socket.socket() as other, pytest.raises(OSError, match="already in use"):
        other.bind(("127.0.0.1", port))
    assert port not in {ports.reserve() for _ in range(100)}


def test_servers_may_listen_there_one_after_the_other_and_never_two() -> None:
    port = ports.reserve()
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port)) != 0
    for _ in range(2):
        with (
            socket.create_server(("127.0.0.1", port)),
            socket.create_connection(("127.0.0.1", port)),
            pytest.raises(OSError, match="already in use"),
        ):
            socket.create_server(("127.0.0.1", port))
