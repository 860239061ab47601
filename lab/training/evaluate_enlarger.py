"""Measures how near doubling comes to photos that the net has not seen.

    python -m lab.training.evaluate_enlarger --photos /tmp/held_out

Each photo is halved and doubled again: as it is, as JPEG of quality 80, and with grain; PSNR of the
lightness, in dB, as a mean of all photos.
"""

import argparse
import logging
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator

from lab.training import pictures
from lab.training.pictures import Picture
from lab.training.sources import HELD_OUT
from providers.engine.embedded import enlarge

SIDE = 420
GRAIN = 4.0  # grey levels
_RIM = 8  # pixels: what lies beyond the picture nobody knows

log = logging.getLogger("training")


def worn(photo: Picture, kind: str, rng: Generator) -> Picture:
    """The photo at half its size."""
    small = cv2.resize(photo, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    if kind == "grain":
        noise = cv2.GaussianBlur(rng.standard_normal(small.shape[:2]), (0, 0), 0.6)[..., None]
        small = np.clip(small + noise * (GRAIN / noise.std()), 0, 255).astype(np.uint8)
    if kind != "clean":
        _, coded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 80])
        small = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    return np.asarray(small, np.uint8)


def nearness(made: Picture, truth: Picture) -> float:
    """PSNR of the lightness, dB."""
    one, other = (
        cv2.cvtColor(each, cv2.COLOR_BGR2GRAY)[_RIM:-_RIM, _RIM:-_RIM].astype(float)
        for each in (made, truth)
    )
    return float(10 * np.log10(255**2 / np.mean((one - other) ** 2)))


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
    log.info("| photo | noise level | cubic resize, dB | the net, dB |")
    log.info("| --- | --- | --- | --- |")
    for kind, level in (("clean", 0), ("JPEG", 0), ("grain", 0), ("grain", 1), ("grain", 2)):
        rng, found = np.random.default_rng(1), []
        for photo in photos:
            small = pictures.shrunk(photo, SIDE)
            truth = small[: small.shape[0] // 2 * 2, : small.shape[1] // 2 * 2]
            half = worn(truth, kind, rng)
            plain = cv2.resize(half, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
            made = enlarge.double(half, noise_level=level, progress=lambda share: None)
            found.append([nearness(np.asarray(plain, np.uint8), truth), nearness(made, truth)])
        plainly, better = np.mean(found, axis=0)
        log.info("| %s | %d | %.2f | %.2f |", kind, level, plainly, better)


if __name__ == "__main__":
    main()
