"""Measures damage-mask nets on photos none of them has seen, sound and damaged by drawing.

    python -m training.evaluate_damage_mask --photos /tmp/held_out old.onnx new.onnx

Four versions of each photo: sound; sound but old (faded, blurred, grainy); with three scratches;
and a badly kept print. A mask pixel counts as right within two pixels of drawn damage, and drawn
damage as found within two pixels of the mask, because the engine widens the mask by two anyway.
"""

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lab.training import pictures
from lab.training.damage import Sheet, age_print, damage_print, draw_scratch, grain_and_jpeg
from lab.training.sources import HELD_OUT

LONGEST_SIDE = 1000
TILE, OVERLAP, MARGIN = 384, 32, 8

log = logging.getLogger("training")

Grey = NDArray[np.float32]


@dataclass(frozen=True)
class Finding:
    """Results of a net for one picture."""

    flagged: float
    """Share of the pixels above 0.5."""
    ratio: float
    """Pixels above 0.9 over pixels above 0.5: how sure the net is of what it sees."""
    length: float
    """Summed diagonals of the marks whose peak is above 0.97, over the picture's diagonal."""
    recall: float
    precision: float


def damage_probability(net: cv2.dnn.Net, grey: NDArray[np.uint8]) -> Grey:
    """Run the net over a picture in overlapping tiles, as the engine does."""
    height, width = grey.shape
    below, right_of = MARGIN + -height % 8, MARGIN + -width % 8
    padded = np.asarray(
        cv2.copyMakeBorder(grey, MARGIN, below, MARGIN, right_of, cv2.BORDER_REFLECT_101)
    )
    found = np.zeros(padded.shape, np.float32)
    for top in _tile_starts(padded.shape[0]):
        for left in _tile_starts(padded.shape[1]):
            tile = padded[top : top + TILE, left : left + TILE].astype(np.float32)
            net.setInput(((tile - 128) / 64)[None, None])
            chance = net.forward()[0, 0]
            skip_y, skip_x = OVERLAP * (top > 0), OVERLAP * (left > 0)
            bottom, right = top + tile.shape[0], left + tile.shape[1]
            found[top + skip_y : bottom, left + skip_x : right] = chance[skip_y:, skip_x:]
    return found[MARGIN : MARGIN + height, MARGIN : MARGIN + width]


def judge(chance: Grey, drawn: Grey) -> Finding:
    """Compare a probability map with what was drawn and work out the figures of the gate."""
    marked = (chance > 0.5).astype(np.uint8)
    truth = (drawn > 0.5).astype(np.uint8)
    near = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    found = truth & cv2.dilate(marked, near)
    right = marked & cv2.dilate(truth, near)
    return Finding(
        flagged=float(marked.mean()),
        ratio=float((chance > 0.9).sum() / max(1, marked.sum())),
        length=_length_of_sure_marks(chance, marked),
        recall=float(found.sum() / max(1, truth.sum())),
        precision=float(right.sum() / max(1, marked.sum())),
    )


def versions(grey: NDArray[np.uint8], seed: int) -> dict[str, tuple[NDArray[np.uint8], Grey]]:
    """Return the four versions of a photo with their true masks."""
    none = np.zeros(grey.shape, np.float32)
    rng = np.random.default_rng(seed)
    aged = grain_and_jpeg(age_print(grey.astype(np.float32), rng), rng)
    few = Sheet(grey.astype(np.float32), none.copy())
    for _ in range(3):
        draw_scratch(few, rng, length=float(rng.uniform(0.3, 0.8) * grey.shape[0]))
    print_, drawn = damage_print(age_print(grey.astype(np.float32), rng), rng)
    return {
        "sound": (grey, none),
        "aged": (_to_bytes(aged), none),
        "scratched": (_to_bytes(grain_and_jpeg(few.grey, rng, strongest=4.0)), few.mask),
        "damaged": (_to_bytes(grain_and_jpeg(print_, rng, strongest=11.0)), drawn),
    }


def _tile_starts(extent: int) -> list[int]:
    last = max(0, extent - TILE)
    return sorted({min(start, last) for start in range(0, extent, TILE - 2 * OVERLAP)})


def _length_of_sure_marks(chance: Grey, marked: NDArray[np.uint8]) -> float:
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(marked)
    peaks = np.zeros(count)
    np.maximum.at(peaks, labels.ravel(), chance.ravel())
    sure = peaks > 0.97
    sure[0] = False
    diagonals = np.hypot(boxes[sure, cv2.CC_STAT_WIDTH], boxes[sure, cv2.CC_STAT_HEIGHT])
    return float(diagonals.sum() / np.hypot(*chance.shape))


def _to_bytes(grey: Grey) -> NDArray[np.uint8]:
    return np.asarray(np.clip(grey, 0, 255), np.uint8)


def _shrink(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    scale = LONGEST_SIDE / max(grey.shape)
    if scale >= 1:
        return grey
    return np.asarray(cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


def _summary(name: str, state: str, findings: list[Finding]) -> str:
    def middle(field: str) -> str:
        low, mid, high = np.percentile([getattr(f, field) for f in findings], [10, 50, 90])
        return f"{field} {low:.3f} / {mid:.3f} / {high:.3f}"

    fields = ["flagged", "ratio", "length"]
    fields += ["recall", "precision"] if state in ("scratched", "damaged") else []
    return f"{name} {state} ({len(findings)}): " + ", ".join(map(middle, fields))


def main() -> None:
    """Read the command line, print every finding and the 10th, 50th and 90th percentiles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="folder, filled if empty")
    parser.add_argument("nets", type=Path, nargs="+")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cv2.setNumThreads(1)
    if not any(options.photos.glob("*.png")):
        pictures.collect(options.photos, HELD_OUT)
    nets = {path.stem: cv2.dnn.readNetFromONNX(str(path)) for path in options.nets}
    findings: dict[tuple[str, str], list[Finding]] = {}
    for seed, path in enumerate(sorted(options.photos.glob("*.png"))):
        grey = _shrink(np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8))
        for state, (picture, drawn) in versions(grey, seed).items():
            for name, net in nets.items():
                finding = judge(damage_probability(net, picture), drawn)
                findings.setdefault((name, state), []).append(finding)
                log.info("%s %s %s %s", path.stem, name, state, finding)
    for (name, state), group in sorted(findings.items()):
        log.info(_summary(name, state, group))


if __name__ == "__main__":
    main()
