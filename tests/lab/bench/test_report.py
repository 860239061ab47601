"""The table of `make bench` shows what one whole run has measured."""

from __future__ import annotations

from click.testing import CliRunner

from lab.bench.__main__ import main
from lab.bench.load import Run
from lab.bench.report import table

RUN = Run(requests=100, seconds=1.0, errors=0, cpu_ms=0.5, p50_ms=1.0, p99_ms=9.0)
FLOOR = Run(requests=900, seconds=1.0, errors=0, cpu_ms=0.0, p50_ms=1.0, p99_ms=None)


def test_what_pgbench_does_not_tell_stays_blank() -> None:
    ours, floor = table({("jobsList", "ours"): [RUN], ("jobsList", "pgbench"): [FLOOR]}).split(
        "\n"
    )[2:]
    assert ours == "| jobsList | ours | 0.50 (0.50-0.50) |  | 100 | 0.11 | 9 | 100 | 0 |"
    assert floor == "| jobsList | pgbench |  |  | 900 |  |  | 900 | 0 |"


def test_a_part_is_never_written_beside_figures_of_another_day() -> None:
    for part in ("--operations=jobsList", "--servers=ours"):
        refused = CliRunner().invoke(main, ["--write", part])
        assert refused.exit_code == 2 and "one run" in refused.output
