"""docs/architecture.md names every layer in its order, and every lane with its threads."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import settings
from tests import stubs
from tests.house.code import ROOT, sources_of
from web.app import create_app

ARCHITECTURE = (ROOT / "docs/architecture.md").read_text("utf-8")


def rows(heading: str) -> list[tuple[str, str]]:
    """What the rows of the table below this heading are about, and their second column."""
    section = ARCHITECTURE.partition(f"\n### {heading}\n")[2].partition("\n#")[0]
    return re.findall(r"^\| `(?:\S+: )?(\w+)` \| ([^|]+) \|", section, re.MULTILINE)


def test_the_layers_are_told_in_their_order() -> None:
    everything = settings.Settings(
        environment="test",
        s3_bucket="none",
        metrics_address="127.0.0.1:9108",
        otel_exporter_otlp_endpoint="http://127.0.0.1:4318",
        rate_limit_per_key=9,
        rate_limit_per_user=9,
    )
    app = create_app(everything, operations=stubs.table())
    assert [name for name, _ in rows("Layers")] == [_name(layer) for layer in app.middlewares]


def test_every_lane_is_told_with_its_threads() -> None:
    made = [re.findall(r'\bLane\("(\w+)", ([\w.]+)', each.text) for each in sources_of("web")]
    assert sorted(rows("Lanes")) == sorted(
        (name, _threads(number)) for lanes in made for name, number in lanes
    )


def _threads(written: str) -> str:
    """How many threads a lane is made with: a number, or the setting that says it."""
    field = written.removeprefix("settings.")
    return field.upper() if field != written else str(getattr(settings, written, written))


def _name(layer: Any) -> str:
    made: Any = layer.func if isinstance(layer, partial) else layer
    return str(made.__name__)
