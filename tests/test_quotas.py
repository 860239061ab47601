"""Counting in windows of time."""

from __future__ import annotations

from quotas import Quota, Quotas


def test_ended_windows_take_no_memory() -> None:
    now = 1000.0
    quotas = Quotas(1, seconds=60, clock=lambda: now)
    for number in range(500):
        quotas.count(f"once {number}")
        now += 0.1
    quotas.count("returns")
    assert len(quotas) == 501
    now += 60
    quota = quotas.count("returns")
    assert (quota.left, quota.reset, len(quotas)) == (0, 60, 1)


def test_a_window_begins_with_the_first_time_and_lasts_as_long_as_all() -> None:
    now = 1000.0
    quotas = Quotas(2, seconds=60, clock=lambda: now)
    counted = []
    for wait in (0, 59, 0.5, 0.5):
        now += wait
        quota = quotas.count("somebody")
        counted.append((quota.left, quota.reset))
    assert counted == [(1, 60), (0, 1), (-1, 1), (1, 60)]


def test_looking_counts_nothing() -> None:
    now = 1000.0
    quotas = Quotas(2, seconds=60, clock=lambda: now)
    assert quotas.look("somebody") == Quota(2, 2, 60)
    assert len(quotas) == 0
    quotas.count("somebody")
    now += 30
    assert quotas.look("somebody") == quotas.look("somebody") == Quota(2, 1, 30)
