"""Results as a Markdown table and a plot."""

from __future__ import annotations

from statistics import median

from lab.bench.load import CONNECTIONS, Run
from lab.bench.page import DOCS, about, put
from lab.bench.servers import PROCESSES

COLOURS = {"ours": "#2b7a4b", "fastapi": "#3f6fb5"}

Results = dict[tuple[str, str], list[Run]]


def table(results: Results) -> str:
    """One row for each operation and server; figures are medians of the runs."""
    lines = [
        "| Operation | Server | CPU ms/request (min-max) | of FastAPI | requests/s | of pgbench"
        " | p99 ms | requests | errors |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (operation, server), runs in results.items():
        spent = [run.cpu_ms for run in runs]
        slowest = [run.p99_ms for run in runs if run.p99_ms is not None]
        cpu = f"{median(spent):.2f} ({min(spent):.2f}-{max(spent):.2f})" if any(spent) else ""
        lines.append(
            f"| {operation} | {server} | {cpu}"
            f" | {_ratio(results, operation, server, 'fastapi', 'cpu_ms')}"
            f" | {median(run.per_second for run in runs):.0f}"
            f" | {_ratio(results, operation, server, 'pgbench', 'per_second')}"
            f" | {f'{median(slowest):.0f}' if slowest else ''}"
            f" | {sum(run.requests for run in runs)} | {sum(run.errors for run in runs)} |"
        )
    return "\n".join(lines)


def write(results: Results, *, seconds: float) -> None:
    """Put the table into docs/quality.md and the plot beside it."""
    about_run = (
        f"{about('make bench')}, runs of {seconds:.0f} s, servers alternating,"
        f" {CONNECTIONS} connections,"
        f" {PROCESSES} processes per server; medians. CPU is that of the server's processes."
    )
    put("bench", f"{about_run}\n\n{table(results)}\n\n![CPU for one request](speed.svg)")
    (DOCS / "speed.svg").write_text(plot(results))


def plot(results: Results) -> str:
    """Bars of CPU for one request, in milliseconds, as SVG."""
    bars = [(*key, median(run.cpu_ms for run in runs)) for key, runs in results.items()]
    bars = [bar for bar in bars if bar[1] in COLOURS]
    widest = max(value for _, _, value in bars)
    parts, y, last = [], 10, ""
    for operation, server, value in bars:
        if operation != last:
            y += 14
            parts.append(f'<text x="10" y="{y + 4}" font-weight="bold">{operation}</text>')
            y += 12
        last = operation
        width = value / widest * 480
        parts.append(f'<text x="20" y="{y + 11}">{server}</text>')
        parts.append(
            f'<rect x="100" y="{y}" width="{width:.1f}" height="13" fill="{COLOURS[server]}"/>'
        )
        parts.append(f'<text x="{105 + width:.1f}" y="{y + 11}">{value:.2f} ms</text>')
        y += 16
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="660" height="{y + 10}"'
        ' font-family="sans-serif" font-size="12">\n'
        '<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _ratio(results: Results, operation: str, server: str, peer: str, figure: str) -> str:
    """Median of the ratios of neighbouring runs."""
    peers = results.get((operation, peer), [])
    pairs = list(zip(results[operation, server], peers, strict=False))
    ratios = [
        getattr(own, figure) / getattr(other, figure)
        for own, other in pairs
        if getattr(own, figure) and getattr(other, figure)
    ]
    return f"{median(ratios):.2f}" if ratios and server != peer else ""
