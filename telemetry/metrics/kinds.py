"""What a metric is: a counter, a histogram of seconds, a level, or a reading of the database."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

METRICS: dict[str, Metric] = {}
_registries: list[Any] = []  # the one that is made by start()


class Metric:
    """Something that is measured: its name without the prefix, what it says, and its labels."""

    kind = "gauge"

    def __init__(self, name: str, about: str, *labels: str) -> None:
        self.name = f"livephoto_{name}"
        self.about = about
        self.labels = labels
        self._made: Any = None
        # By their labels' values: to look one up in the library takes as long as to count.
        self._children: dict[tuple[str, ...], Any] = {}
        METRICS[self.name] = self

    def make(self, library: Any, registry: Any) -> None:
        """Make it with the library, to be counted from now on."""
        self._made = self._make(library, registry)

    def _make(self, library: Any, registry: Any) -> Any:
        return library.Gauge(self.name, self.about, self.labels, registry=registry)

    def _child(self, values: tuple[str, ...]) -> Any:
        child = self._children.get(values)
        if child is None:
            child = self._made.labels(*values) if values else self._made
            self._children[values] = child
        return child


class Counter(Metric):
    """What only grows; its name ends in _total."""

    kind = "counter"

    def add(self, *values: str, by: float = 1) -> None:
        """Count one more, or `by`, with these values of the labels."""
        if self._made is not None:
            self._child(values).inc(by)

    def _make(self, library: Any, registry: Any) -> Any:
        return library.Counter(self.name, self.about, self.labels, registry=registry)


class Seconds(Metric):
    """How long something takes; bounds: those of its buckets, seconds."""

    kind = "histogram"

    def __init__(self, name: str, about: str, *labels: str, bounds: tuple[float, ...]) -> None:
        super().__init__(name, about, *labels)
        self.bounds = bounds

    def observe(self, seconds: float, *values: str) -> None:
        """Count one that took so long."""
        if self._made is not None:
            self._child(values).observe(seconds)

    def _make(self, library: Any, registry: Any) -> Any:
        return library.Histogram(
            self.name, self.about, self.labels, registry=registry, buckets=self.bounds
        )


class Level(Metric):
    """What goes up and down in a process. mode: how the processes of one server are put together,
    in the words of prometheus_client.
    """

    def __init__(self, name: str, about: str, *labels: str, mode: str) -> None:
        super().__init__(name, about, *labels)
        self._mode = mode

    def set(self, value: float, *values: str) -> None:
        """What it is now."""
        if self._made is not None:
            self._child(values).set(value)

    def _make(self, library: Any, registry: Any) -> Any:
        return library.Gauge(
            self.name, self.about, self.labels, registry=registry, multiprocess_mode=self._mode
        )


class Reading(Metric):
    """What everybody who asks the database sees alike; read at the scrape, see exposition()."""

    def make(self, library: Any, registry: Any) -> None:
        """Nothing is counted in this process."""


# A reading, its value, and those of its labels.
Sample = tuple[Reading, float, tuple[str, ...]]


def start(folder: Path | None) -> None:
    """Count from now on; a second call changes nothing.

    folder: where processes that are scraped together put their metrics; None if there is only this
    one. prometheus_client decides between the two when it is imported.
    """
    if _registries:
        return
    if folder is not None:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)  # noqa: TID251 the library's way
    import prometheus_client

    registry = prometheus_client.CollectorRegistry()
    for metric in METRICS.values():
        metric.make(prometheus_client, registry)
    _registries.append(registry)


def has_started() -> bool:
    """Whether metrics are counted, so that it is worth to work something out for one."""
    return bool(_registries)


def counted() -> Any:
    """The library's registry of what was counted by this process and those it shares a folder with.

    LookupError before start().
    """
    from prometheus_client import CollectorRegistry
    from prometheus_client.multiprocess import MultiProcessCollector

    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:  # noqa: TID251 see start()
        return _registries[0]
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return together
