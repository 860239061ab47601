"""The series that our code has for Prometheus, and the rules that ask for them."""

from __future__ import annotations

import re

import yaml

from telemetry import metrics
from telemetry.metrics.kinds import Seconds
from tests.house.code import ROOT

FOLDER = ROOT / "deploy/observability"
RULES = yaml.safe_load((FOLDER / "rules.yml").read_text("utf-8"))
METRIC = re.compile(r"\b(livephoto_[a-z_]+)(?:\{(.*?)\})?")


def shown() -> dict[str, set[str]]:
    """Every series that the code can have -> its labels."""
    series: dict[str, set[str]] = {}
    for name, metric in metrics.METRICS.items():
        parts = ("_bucket", "_count", "_sum") if isinstance(metric, Seconds) else ("",)
        series |= {f"{name}{part}": {*metric.labels} for part in parts}
    return series
