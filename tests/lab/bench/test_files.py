"""`make bench-files` fails for a server that keeps files in memory, or serves them slowly."""

from __future__ import annotations

import pytest

from lab.bench.files import BARE, EACH, LARGE, MEBIBYTE, PARALLEL, Cost, Download, failures_of

SOUND = [
    Cost("one", LARGE, growth_mib=20, cpu=1, seconds=1),
    Cost("many", PARALLEL * EACH, growth_mib=100, cpu=1, seconds=1),
]
BARE_SOCKET = Download(BARE, [1000.0, 1100.0, 900.0])


def test_a_frugal_and_quick_server_passes() -> None:
    served = Download("served", [700.0, 10.0, 600.0], first_ms=[1.0])
    assert list(failures_of(SOUND, [served, BARE_SOCKET])) == []


@pytest.mark.parametrize(("name", "size"), [("one", LARGE), ("many", PARALLEL * EACH)])
def test_a_server_that_keeps_files_whole_in_memory_fails(name: str, size: int) -> None:
    greedy = Cost(name, size, growth_mib=size / MEBIBYTE, cpu=1, seconds=1)
    [fault] = failures_of([greedy], [BARE_SOCKET])
    assert fault.startswith(f"{name}: ") and "MiB of memory" in fault


def test_a_slow_download_fails() -> None:
    slow = Download("served", [390.0, 900.0, 20.0], first_ms=[1.0])
    assert list(failures_of(SOUND, [slow, BARE_SOCKET])) == [
        "served: 390 MiB/s, a bare socket 1000"
    ]
