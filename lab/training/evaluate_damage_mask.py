"""Measures damage-mask nets on photos none of them has seen: found and false, per kind and scale.

    python -m lab.training.evaluate_damage_mask --photos /tmp/held_out old.onnx new.onnx

Each photo is made into a print at several sizes, once for each kind of damage, once with several of
them, once with a torn border, which is to be left, and once sound. Of each is told what the net
flags, the figure by which the engine tells a damaged print from a sound one (`proof`), and what it
would paint over once that is proven, second look included (`damage.all_marks`), if nobody had eyes,
brows and lips. A mask pixel counts as right within two pixels of drawn damage, and drawn damage as
found within two pixels of what the net flags: the engine widens marks by one to three. Undecided
pixels count as neither.
"""

import argparse
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lab.training import pictures
from lab.training.ageing import TONES, aged, scanned, toned
from lab.training.borders import border
from lab.training.crops import Crop, Picture
from lab.training.damage import KINDS
from lab.training.shapes import size_between
from lab.training.sheet import Sheet
from lab.training.sources import HELD_OUT
from providers.engine.embedded import damage, looks, marks
from providers.engine.embedded.looks import Looks

SIDES = (300, 700, 1000)
"""Longest sides of the prints, pixels: a picture out of an album's scan, one scanned alone, and the
size at which the engine looks at all larger ones."""
SEVERAL = ("cracks", "cracks", "fold", "flakes", "scratches", "dust")
COLUMNS = (
    "damage",
    "longer side, pixels",
    "prints",
    "recall",
    "precision",
    "flagged, %",
    "proof, %",
    "mended",
    "spoiled, %",
)

log = logging.getLogger("training")


@dataclass(frozen=True)
class Finding:
    """Results for one print: shares, 0..1; NaN where nothing was drawn or flagged.

    proof: see `marks.proof`. mended: of the drawn damage; spoiled: of the picture, without damage.
    """

    flagged: float
    recall: float
    precision: float
    proof: float
    mended: float
    spoiled: float


def prints(photo: Picture, side: int, seed: int) -> Iterator[tuple[str, Crop]]:
    """Yield the print of a photo sound, with each kind of damage, with several, and torn."""
    small = pictures.shrunk(photo, side).astype(np.float32)
    for number, name in enumerate(("sound", "several", *KINDS, "torn border")):
        rng = np.random.default_rng([seed, side, number])
        sheet = Sheet.of(aged(toned(small, rng, TONES[seed % len(TONES)]), rng))
        if name == "torn border":
            border(sheet, rng)
        elif name != "sound":
            for kind in SEVERAL if name == "several" else (name, name):
                draw, _ = KINDS[kind]
                draw(sheet, rng, size_between(rng, 0.7, 1.5) * (side / 500) ** 0.5)
        yield name, Crop(scanned(sheet.picture, rng), sheet.damaged, sheet.doubtful())


def judge(truth: Crop, network: str) -> Finding:
    """Compare what the net says, and what the engine would make of it, with what was drawn."""
    seen = Looks(
        own=looks.look(truth.picture, network=network),
        larger=looks.enlarged(truth.picture, network=network),
        smaller=looks.reduced(truth.picture, network=network),
    )
    marked = ((seen.own > 0.5) & ~truth.undecided).astype(np.uint8)
    drawn = truth.damaged.astype(np.uint8)
    near = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    by_drawn = cv2.dilate(drawn, near)
    found, right = drawn & cv2.dilate(marked, near), marked & by_drawn
    mask, _ = damage.all_marks(truth.picture, seen, np.zeros_like(drawn), network=network)
    painted = (mask > 0) & ~truth.undecided
    return Finding(
        flagged=float(marked.mean()),
        recall=float(found.sum() / drawn.sum()) if drawn.any() else np.nan,
        precision=float(right.sum() / marked.sum()) if marked.any() else np.nan,
        proof=marks.proof(seen.own, seen.smaller),
        mended=float(painted[drawn > 0].mean()) if drawn.any() else np.nan,
        spoiled=float((painted & (by_drawn == 0)).mean()),
    )


def measure(photos: list[Picture], network: str) -> dict[tuple[int, str], list[Finding]]:
    """Findings by size and kind of print."""
    findings: dict[tuple[int, str], list[Finding]] = {}
    for seed, photo in enumerate(photos):
        for side in SIDES:
            if max(photo.shape) < side:
                continue
            for name, crop in prints(photo, side, seed):
                findings.setdefault((side, name), []).append(judge(crop, network))
    return findings


def _line(side: int, name: str, group: list[Finding]) -> str:
    def middle(field: str, percentile: int) -> str:
        values: NDArray[np.float64] = np.array([getattr(finding, field) for finding in group])
        if np.isnan(values).all():
            return "-"
        unit = 100 if field in ("flagged", "proof", "spoiled") else 1
        median, tail = (unit * np.nanpercentile(values, each) for each in (50, percentile))
        return f"{median:.2f} ({tail:.2f})"

    cells = [middle("recall", 10), middle("precision", 10), middle("flagged", 90)]
    cells.append(middle("proof", 90 if name in ("sound", "torn border") else 10))
    cells += [middle("mended", 10), middle("spoiled", 90)]
    return f"| {name} | {side} | {len(group)} | " + " | ".join(cells) + " |"


def main() -> None:
    """Read the command line, print a table of medians for each net."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--photos", type=Path, required=True, help="folder, filled at the first run"
    )
    parser.add_argument("--every", type=int, default=1, help="only each n-th photo, to be quick")
    parser.add_argument("nets", type=Path, nargs="+")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cv2.setNumThreads(1)
    pictures.collect(options.photos, HELD_OUT)
    photos = [photo for _, photo in pictures.read(options.photos)][:: options.every]
    for path in options.nets:
        log.info(
            "\n%s: median (10th, or 90th percentile of flagged, spoiled, proof of what is sound)\n",
            path.name,
        )
        log.info("| %s |", " | ".join(COLUMNS))
        log.info("|%s", " --- |" * len(COLUMNS))
        findings = measure(photos, str(path.absolute()))
        for (side, name), group in sorted(findings.items(), key=lambda each: each[0][::-1]):
            log.info(_line(side, name, group))


if __name__ == "__main__":
    main()
