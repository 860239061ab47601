"""Measures how near the filling of marks comes to what was under them, on photos held out.

    python -m lab.training.evaluate_filler --photos /tmp/held_out

Each photo is made into a damaged print at two sizes, once for each kind of damage; all its damage
is known, and filled. Told are the PSNR in the holes, in dB, as it is and blurred (how well lines
and tones go on), and the texture: the energy of the Laplacian, as a share of the true picture's.
Wide are those parts that are filled with pieces of the photo.
"""

import argparse
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lab.training import pictures
from lab.training.ageing import TONES, aged, toned
from lab.training.crops import Picture
from lab.training.damage import KINDS
from lab.training.holes import Holes, of_sheet
from lab.training.shapes import size_between
from lab.training.sheet import Sheet
from lab.training.sources import HELD_OUT
from providers.engine.embedded import filling

SIDES = (420, 800)
DRAWN = ("cracks", "scratches", "flakes", "fold", "rubbed")
FILLERS: dict[str, Callable[[Picture, Holes], Picture]] = {
    "from the rims": filling.fill_smoothly,
    "by the engine": filling.fill,
}
_BLUR = 1.5  # pixels

log = logging.getLogger("training")


def prints(photos: list[Picture]) -> Iterator[tuple[Picture, Holes, Picture]]:
    """Yield prints with marks, the holes, and the prints without."""
    for seed, photo in enumerate(photos):
        for side in SIDES:
            if max(photo.shape) < side:
                continue
            small = pictures.shrunk(photo, side).astype(np.float32)
            for number, name in enumerate(DRAWN):
                rng = np.random.default_rng([seed, side, number])
                sound = aged(toned(small, rng, TONES[seed % len(TONES)]), rng)
                sheet = Sheet.of(sound.copy())
                draw, _ = KINDS[name]
                for _ in range(2):
                    draw(sheet, rng, size_between(rng, 0.7, 1.5) * (side / 500) ** 0.5)
                made = of_sheet(sheet, sound, rng)
                if made[1].any():
                    yield made


def nearness(made: Picture, truth: Picture, where: NDArray[np.bool_]) -> tuple[float, float, float]:
    """PSNR, PSNR when blurred, both in dB, and texture, all inside `where`."""
    sharp, soft = (
        float(10 * np.log10(255**2 / max(np.mean((one[where] - other[where]) ** 2), 0.1)))
        for one, other in (
            (made.astype(np.float32), truth.astype(np.float32)),
            (_blurred(made), _blurred(truth)),
        )
    )
    energy, true_energy = (
        float(
            np.mean(cv2.Laplacian(cv2.cvtColor(each, cv2.COLOR_BGR2GRAY), cv2.CV_32F)[where] ** 2)
        )
        for each in (made, truth)
    )
    return sharp, soft, energy / max(true_energy, 1e-3)


def _blurred(picture: Picture) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(picture.astype(np.float32), (0, 0), _BLUR))


def main() -> None:
    """Read the command line, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--photos", type=Path, required=True, help="folder, filled at the first run"
    )
    parser.add_argument("--every", type=int, default=1, help="only each n-th photo, to be quick")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cv2.setNumThreads(1)
    pictures.collect(options.photos, HELD_OUT)
    photos = [photo for _, photo in pictures.read(options.photos)][:: options.every]
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for seen, holes, truth in prints(photos):
        wide = filling.wide_parts(holes) > 0
        for name, fill in FILLERS.items():
            made = fill(seen, holes)
            found.setdefault(("all", name), []).append(nearness(made, truth, holes > 0))
            if wide.any():
                found.setdefault(("wide", name), []).append(nearness(made, truth, wide))
    log.info("| holes | filled | prints | PSNR, dB | blurred, dB | texture |")
    log.info("| --- | --- | --- | --- | --- | --- |")
    for (where, name), each in found.items():
        sharp, soft, _ = np.mean(each, axis=0)
        texture = float(np.median([one[2] for one in each]))
        log.info(
            "| %s | %s | %d | %.2f | %.2f | %.2f |", where, name, len(each), sharp, soft, texture
        )


if __name__ == "__main__":
    main()
