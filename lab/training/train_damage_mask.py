"""Trains the damage-mask net of the embedded engine and writes it as ONNX.

    python -m lab.training.train_damage_mask --pictures /tmp/pictures --run /tmp/run \\
        --start providers/engine/models/damage_mask.onnx --out /tmp/damage_mask.onnx

The first run fetches the pictures. Stopped and started again with the same --run it goes on where
it was; then --steps may be another number, and the step size follows the new schedule. On a machine
shared with others nobody knows how many steps will fit: --minutes ends the schedule by the clock.
"""

import argparse
import math
import multiprocessing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lab.training import pictures
from lab.training.crops import Crop, CropStore
from lab.training.curve import draw_curve
from lab.training.network import DamageNet, save_onnx
from lab.training.runs import LOGGED, Plan, arguments, open_run, prepare, train

CROP = 192
"""Pixels: a whole collar, and what lies around it, must fit."""
BATCH = 5
FRESH = 3
"""Crops that join the last POOL before each batch is drawn from it. A crop is seen 1.7 times."""
POOL = 800
LEARNING_RATE = 1.2e-3
AVERAGED_STEPS = 400
LONGEST_GRADIENT = 1.0

Batch = tuple[Tensor, Tensor, Tensor]


def mask_loss(logits: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
    """Cross entropy plus half a Dice loss: thin cracks must count beside large blank areas."""
    entropy = functional.binary_cross_entropy_with_logits(logits, mask, reduction="none")
    entropy = (entropy * weight * (1 + 0.3 * mask)).mean()
    chance = torch.sigmoid(logits) * weight
    overlap, both = (chance * mask).sum(), chance.sum() + (mask * weight).sum()
    return entropy + 0.5 * (1 - (2 * overlap + 40) / (both + 40))


def _loss(net: DamageNet, batch: Batch, device: str, *, bfloat16: bool) -> tuple[Tensor, float]:
    colours, mask, weight = (part.to(device) for part in batch)
    kind = device.partition(":")[0]
    with torch.autocast(kind, dtype=torch.bfloat16, enabled=bfloat16):
        logits = net(colours.contiguous(memory_format=torch.channels_last))
    loss = mask_loss(logits.float(), mask, weight)
    return loss, loss.item()


def _batches(crops: Iterator[Crop], rng: np.random.Generator) -> Iterator[Batch]:
    pool: list[Crop] = []
    while True:
        for _ in range(FRESH if len(pool) >= 8 * BATCH else 8 * BATCH):
            if len(pool) < POOL:
                pool.append(next(crops))
            else:
                pool[int(rng.integers(POOL))] = next(crops)
        chosen = [pool[int(number)] for number in rng.integers(0, len(pool), BATCH)]
        colours = (np.stack([crop.picture for crop in chosen]).transpose(0, 3, 1, 2) - 128.0) / 64
        mask = np.stack([crop.damaged for crop in chosen])[:, None]
        weight = ~np.stack([crop.undecided for crop in chosen])[:, None]
        # A crop that comes back is lit and mirrored anew.
        colours = colours * rng.normal(1, 0.08) + rng.normal(0, 0.08)
        flips = [axis for axis in (2, 3) if rng.random() < 0.5]
        parts = (np.flip(part, flips).astype(np.float32) for part in (colours, mask, weight))
        first, second, third = (torch.from_numpy(np.ascontiguousarray(part)) for part in parts)
        yield first, second, third


def _drawn_here(folder: Path, seed: list[int]) -> Iterator[Crop]:
    store = CropStore(pictures.read(folder), np.random.default_rng(seed))
    while True:
        yield store.draw(CROP)


def _drawn_beside(folder: Path, seed: list[int], workers: int) -> Iterator[Crop]:
    """Crops from processes that draw ahead; which comes first is chance: no two runs are equal."""
    spawn = multiprocessing.get_context("spawn")
    queue: Any = spawn.Queue(maxsize=64)
    for number in range(workers):
        spawn.Process(target=_draw, args=(queue, folder, [*seed, number]), daemon=True).start()
    while True:
        yield queue.get()


def _draw(queue: Any, folder: Path, seed: list[int]) -> None:
    cv2.setNumThreads(1)
    for crop in _drawn_here(folder, seed):
        queue.put(crop)


def main() -> None:
    """Read the command line, train, write the file."""
    options = _options()
    prepare(options)
    keep = options.run / "state.pt"
    net = DamageNet()
    if options.start is not None:
        net.start_from(options.start)
    net = net.to(options.device, memory_format=torch.channels_last)
    run = open_run(keep, net, weight_decay=1e-4)
    seed = [options.seed, run.step]
    crops = (
        _drawn_beside(options.pictures, seed, options.workers)
        if options.workers
        else _drawn_here(options.pictures, seed)
    )
    batches = _batches(crops, np.random.default_rng(seed))

    def loss_of_next() -> tuple[Tensor, float]:
        return _loss(run.net, next(batches), options.device, bfloat16=options.bfloat16)

    seconds = 60 * options.minutes
    plan = Plan(
        LEARNING_RATE, AVERAGED_STEPS, LONGEST_GRADIENT, steps=options.steps, seconds=seconds
    )
    train(run, loss_of_next, plan, keep)
    save_onnx(run.average.cpu(), options.out)
    if run.figures:
        draw_curve(run.figures, LOGGED, options.run / "curve.svg")


def _options() -> argparse.Namespace:
    parser = arguments(__doc__, minutes=math.inf)
    parser.add_argument("--steps", type=int, default=30_000)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    # Twice as fast with channels last where the hardware multiplies it in tiles (AMX, a graphics
    # card), a third slower where it does not.
    parser.add_argument("--bfloat16", action="store_true", help="where the hardware has tiles")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw the crops")
    return parser.parse_args()


if __name__ == "__main__":
    main()
