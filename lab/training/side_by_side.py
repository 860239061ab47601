"""Draws what the engine makes of damaged prints, for docs/engine.md.

    python -m lab.training.side_by_side --photos /tmp/held_out --out docs/pictures

Held-out free photos, each made into a print with several kinds of damage: left the print, right
what `restore` makes of it, shrunk to the same size.
"""

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lab.training import pictures
from lab.training.evaluate_damage_mask import prints
from lab.training.sources import HELD_OUT
from providers.engine.embedded.restore import restore

SHOWN = ("camera", "world_music_orchestra", "world_music_japan")
SIDE = 480
_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 80]


def main() -> None:
    """Read the command line, write one picture for each photo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--photos", type=Path, required=True, help="folder, filled at the first run"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the pictures")
    options = parser.parse_args()
    pictures.collect(options.photos, HELD_OUT)
    options.out.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(SHOWN, start=1):
        (path,) = options.photos.glob(f"*{name}*.png")
        photo = np.asarray(cv2.imread(str(path)), np.uint8)
        damaged = dict(prints(photo, SIDE, seed))["several"].picture
        pair = np.hstack([damaged, _restored(damaged)])
        cv2.imwrite(str(options.out / f"restored_{name}.jpg"), pair, _QUALITY)


def _restored(damaged: NDArray[np.uint8]) -> NDArray[np.uint8]:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "print.png", Path(folder) / "restored.jpg"
        cv2.imwrite(str(source), damaged)
        restore(source, target, progress=lambda percent: None)
        size = (damaged.shape[1], damaged.shape[0])
        made = cv2.imread(str(target))
    return np.asarray(cv2.resize(made, size, interpolation=cv2.INTER_AREA), np.uint8)


if __name__ == "__main__":
    main()
