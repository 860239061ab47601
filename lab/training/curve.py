"""Draws the learning curve of a run as SVG."""

from pathlib import Path

WIDTH, HEIGHT, MARGIN = 640, 260, 44


def draw_curve(losses: list[float], steps_each: int, path: Path) -> None:
    """Write the losses, each the mean of `steps_each` steps, and their running mean over nine."""
    smooth = [
        sum(losses[max(0, at - 4) : at + 5]) / len(losses[max(0, at - 4) : at + 5])
        for at in range(len(losses))
    ]
    low, high = min(losses), max(losses)
    across, down = WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN

    def line(values: list[float], colour: str, width: float) -> str:
        points = " ".join(
            f"{MARGIN + across * at / max(1, len(values) - 1):.1f},"
            f"{MARGIN + down * (high - value) / max(1e-9, high - low):.1f}"
            for at, value in enumerate(values)
        )
        style = f'fill="none" stroke="{colour}" stroke-width="{width}"'
        return f'<polyline points="{points}" {style}/>'

    def text(x: float, y: float, words: str, anchor: str = "middle") -> str:
        return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{words}</text>'

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        line(losses, "#9ab", 1),
        line(smooth, "#036", 2.5),
        text(WIDTH / 2, 20, "loss on drawn damage, by steps"),
        text(MARGIN - 6, MARGIN + 4, f"{high:.2f}", "end"),
        text(MARGIN - 6, HEIGHT - MARGIN + 4, f"{low:.2f}", "end"),
        text(MARGIN, HEIGHT - MARGIN + 24, "0"),
        text(WIDTH - MARGIN, HEIGHT - MARGIN + 24, f"{len(losses) * steps_each}"),
        "</svg>",
    ]
    path.write_text("\n".join(parts) + "\n")
