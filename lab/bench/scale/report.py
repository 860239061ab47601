"""Results as Markdown and as a picture."""

from __future__ import annotations

from dataclasses import dataclass, field

from lab.bench.page import DOCS, about, put, table
from lab.bench.scale import rows
from lab.bench.scale.crowd import Outcome
from lab.bench.scale.meter import BATCH, MAX_RATIO, ROUNDS, Comparison
from lab.bench.scale.worlds import GIBIBYTE, World

PICTURE = "scale.svg"
PAGE_MS = 300


@dataclass
class Findings:
    """All results of a run. checked_seconds: duration of `ledger check`;
    history_seconds: of the figures of days.
    """

    worlds: list[World]
    filled_seconds: float
    bytes: dict[str, int]
    groups: dict[str, list[Comparison]] = field(default_factory=dict)
    growing: list[Comparison] = field(default_factory=list)
    plan_faults: list[str] = field(default_factory=list)
    crowd: Outcome = field(default_factory=Outcome)
    checked_seconds: float = 0.0
    history_seconds: float = 0.0

    @property
    def slower(self) -> list[Comparison]:
        """Calls that cost the database more than MAX_RATIO times as much in the large world."""
        return [
            each
            for group in self.groups.values()
            for each in group
            if each.database_ratio > MAX_RATIO
        ]

    @property
    def slow_pages(self) -> list[Comparison]:
        """What the operator sees later than PAGE_MS in the large world."""
        pages = self.groups.get("operator", [])
        return [each for each in pages if min(each.large.wall) > PAGE_MS]

    @property
    def wrong(self) -> list[str]:
        """Why the run has failed; empty when nothing is wrong."""
        return [
            *(f"{each.name}: {each.database_ratio:.2f} times the CPU" for each in self.slower),
            *(f"{each.name}: {min(each.large.wall):.0f} ms" for each in self.slow_pages),
            *self.plan_faults,
            *self.crowd.wrong,
        ]


def text(found: Findings) -> str:
    """The section of docs/quality.md."""
    small, large = found.worlds
    measured = [each for group in found.groups.values() for each in group]
    worst = max(measured, key=lambda each: each.database_ratio)
    parts = [
        f"{about('make bench-scale')}. {large.users:,} users,"
        f" {large.blocks * rows.TRANSACTIONS:,} transactions, {large.blocks * rows.JOBS:,} jobs and"
        f" what belongs to them, beside {small.users:,} users in the same PostgreSQL:"
        f" {found.bytes['large'] / GIBIBYTE:.1f} and {found.bytes['small'] / GIBIBYTE:.2f} GiB,"
        f" filled by COPY in {found.filled_seconds:.0f} s. At the end `ledger check` proved"
        f" the books of the large one in {found.checked_seconds:.0f} s.",
        f"Each call {ROUNDS} times {BATCH} in both worlds by turns, again while it seems slower,"
        " the lowest of each: CPU of the"
        " database's process, time of the whole call on this machine, pages looked at. Pages grow"
        " with the height of an index, one for each hundredfold."
        f" The largest of {len(measured)} ratios is {worst.database_ratio:.2f} ({worst.name});"
        f" {MAX_RATIO} is allowed. No plan reads a growing table from end to end. What an operator"
        f" looks at may take {PAGE_MS} ms. The figures of two months were computed in"
        f" {found.history_seconds:.0f} s.",
        f"![CPU with a million users to that with ten thousand]({PICTURE})",
        _table(found.groups),
        "By nature proportional to what they show or count:",
        _table({"operator": found.growing}),
        _crowd(found.crowd),
    ]
    return "\n\n".join(parts)


def write(found: Findings) -> None:
    """Write section and picture into docs/."""
    put("scale", text(found))
    measured = [each for group in found.groups.values() for each in group]
    (DOCS / PICTURE).write_text(_picture(measured), "utf-8")


def _table(groups: dict[str, list[Comparison]]) -> str:
    head = ["", "Call", "database CPU ms, small", "large", "ratio", "whole call ms, small", "large"]
    lines = []
    for name, group in groups.items():
        for each in group:
            small, large = each.small, each.large
            lines.append(
                [
                    *(name, each.name),
                    *(f"{min(small.database_cpu):.2f}", f"{min(large.database_cpu):.2f}"),
                    f"{each.database_ratio:.2f}",
                    *(f"{min(small.wall):.1f}", f"{min(large.wall):.1f}"),
                    *(f"{min(small.pages):.0f}", f"{min(large.pages):.0f}"),
                ]
            )
    return table([*head, "pages, small", "large"], lines)


def _crowd(crowd: Outcome) -> str:
    verdict = "; ".join(crowd.wrong) or "nothing lost, nothing duplicated, the books consistent"
    return (
        f"2 servers and 4 workers on the large world, one worker killed: {crowd.requests} requests,"
        f" {crowd.orders} orders acknowledged ({crowd.repeated} sent twice at once),"
        f" {crowd.cancelled} cancelled, {crowd.payments} payments notified to both servers;"
        f" {crowd.done} jobs done, {crowd.failed} failed or cancelled: **{verdict}**."
    )


def _picture(measured: list[Comparison]) -> str:
    """A dot for each call, on a scale of ratios."""
    left, right, step = 250, 640, 15
    bottom = 40 + step * len(measured)

    def x(ratio: float) -> float:
        return left + (right - left) * min(ratio, 2.0) / 2.0

    parts = []
    for ratio in (0.5, 1.0, MAX_RATIO, 1.5, 2.0):
        colour = "#b5643f" if ratio == MAX_RATIO else "#cccccc"
        at = f"{x(ratio):.0f}"
        parts.append(f'<line x1="{at}" x2="{at}" y1="24" y2="{bottom}" stroke="{colour}"/>')
        parts.append(f'<text x="{at}" y="16" text-anchor="middle">{ratio}</text>')
    for number, each in enumerate(measured):
        y = 40 + step * number
        colour = "#b5643f" if each.database_ratio > MAX_RATIO else "#2b7a4b"
        parts.append(f'<text x="{left - 10}" y="{y + 4}" text-anchor="end">{each.name}</text>')
        parts.append(f'<circle cx="{x(each.database_ratio):.1f}" cy="{y}" r="4" fill="{colour}"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{right + 20}" height="{bottom + 10}"'
        ' font-family="sans-serif" font-size="11">\n'
        '<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )
