"""Reads what Prometheus would read."""

from __future__ import annotations

import requests
from prometheus_client.parser import text_string_to_metric_families


class Scraped:
    """One answer of /metrics."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        """Of the metric with this name, without its prefix, and these labels; None if it is not
        there.
        """
        return self._values.get((f"livephoto_{name}", frozenset(labels.items())))

    def names(self) -> set[str]:
        """Of everything that has a value."""
        return {name for name, _ in self._values}


def ask(port: int, token: str = "", path: str = "/metrics") -> requests.Response:
    """One request of Prometheus."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.get(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=30)


def scrape(port: int, token: str = "") -> Scraped:
    """A scrape that must succeed."""
    answer = ask(port, token)
    assert answer.status_code == 200, answer.text
    return Scraped(answer.text)
