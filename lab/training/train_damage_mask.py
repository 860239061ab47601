"""Trains the damage-mask net of the embedded engine and writes it as ONNX.

    python -m lab.training.train_damage_mask --pictures /tmp/pictures --run /tmp/run \\
        --start providers/engine/models/damage_mask.onnx --out /tmp/damage_mask.onnx

The first run fetches the pictures. Stopped and started again with the same --run it goes on where
it was; then --steps may be another number, and the step size follows the new schedule. On a machine
shared with others nobody knows how many steps will fit: --minutes ends the schedule by the clock.
"""

import argparse
import copy
import logging
import math
import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass
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
from lab.training.schedule import follow, step_size

CROP = 192
"""Pixels: a whole collar, and what lies around it, must fit."""
BATCH = 5
FRESH = 3
"""New crops for each batch; the others come from the last POOL. A crop is seen 1.7 times."""
POOL = 800
LEARNING_RATE = 1.2e-3
AVERAGED_STEPS = 400
"""The written weights are a running average over about this many steps."""
SAVE_SECONDS = 90
LOGGED = 50
"""Steps of which each figure of the learning curve is the mean."""

log = logging.getLogger("training")

Batch = tuple[Tensor, Tensor, Tensor]


@dataclass
class Run:
    """All that is needed to go on after a stop. losses: the mean of every LOGGED steps."""

    net: DamageNet
    average: DamageNet
    optimizer: torch.optim.Optimizer
    step: int
    losses: list[float]
    seconds: float

    def save(self, path: Path) -> None:
        """Write to a new file first: a stop in the middle must not cost the run."""
        fresh = path.with_suffix(".part")
        state = {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "losses": self.losses,
            "seconds": self.seconds,
        }
        torch.save(state, fresh)
        fresh.replace(path)


def open_run(path: Path, start: Path | None, device: str) -> Run:
    """Go on with the run of that file, or begin one, from the kernels of `start` if given."""
    net = DamageNet()
    if start is not None:
        net.start_from(start)
    net = net.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=1e-4, betas=(0.9, 0.98))
    run = Run(net, copy.deepcopy(net), optimizer, 0, [], 0.0)
    if path.exists():
        state: dict[str, Any] = torch.load(path, map_location=device)
        net.load_state_dict(state["net"])
        run.average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        run.step, run.losses, run.seconds = state["step"], state["losses"], state["seconds"]
    return run


@dataclass(frozen=True)
class Plan:
    """When a training is finished, and how its steps are taken.

    bfloat16: twice as fast with channels last where the hardware multiplies it in tiles (AMX, a
    graphics card), a third slower where it does not.
    """

    steps: int
    seconds: float
    seed: int
    device: str
    bfloat16: bool

    def done(self, run: Run) -> float:
        """Share of the training that lies behind, by steps or by the clock."""
        return max(run.step / self.steps, run.seconds / self.seconds)


def train(run: Run, crops: Iterator[Crop], plan: Plan, keep: Path) -> None:
    """Train until the plan is done, saving to `keep` now and then."""
    batches = _batches(crops, np.random.default_rng([plan.seed, run.step]))
    begun = saved = time.monotonic()
    before, recent = run.seconds, []
    while (done := plan.done(run)) < 1:
        for group in run.optimizer.param_groups:
            group["lr"] = LEARNING_RATE * step_size(run.step, done)
        recent.append(_step(run, next(batches), plan))
        run.step += 1
        run.seconds = before + time.monotonic() - begun
        if run.step % LOGGED == 0:
            run.losses.append(float(np.mean(recent)))
            recent.clear()
            spent = f"{run.seconds:.0f} s ({time.process_time():.0f} of this process)"
            log.info("step %d, %s, loss %.4f", run.step, spent, run.losses[-1])
        if time.monotonic() - saved > SAVE_SECONDS:
            run.save(keep)
            saved = time.monotonic()
    run.save(keep)


def mask_loss(logits: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
    """Cross entropy plus half a Dice loss: thin cracks must count beside large blank areas."""
    entropy = functional.binary_cross_entropy_with_logits(logits, mask, reduction="none")
    entropy = (entropy * weight * (1 + 0.3 * mask)).mean()
    chance = torch.sigmoid(logits) * weight
    overlap, both = (chance * mask).sum(), chance.sum() + (mask * weight).sum()
    return entropy + 0.5 * (1 - (2 * overlap + 40) / (both + 40))


def _step(run: Run, batch: Batch, plan: Plan) -> float:
    colours, mask, weight = (part.to(plan.device) for part in batch)
    kind = plan.device.partition(":")[0]
    with torch.autocast(kind, dtype=torch.bfloat16, enabled=plan.bfloat16):
        logits = run.net(colours.contiguous(memory_format=torch.channels_last))
    loss = mask_loss(logits.float(), mask, weight)
    run.optimizer.zero_grad()
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(run.net.parameters(), 1.0)
    run.optimizer.step()
    follow(run.average, run.net, run.step, over=AVERAGED_STEPS)
    return loss.item()


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--pictures", type=Path, required=True, help="folder, filled at the first run"
    )
    parser.add_argument("--run", type=Path, required=True, help="folder of the state to go on from")
    parser.add_argument("--out", type=Path, required=True, help="the ONNX file to write")
    parser.add_argument("--start", type=Path, help="an ONNX file whose kernels to start from")
    parser.add_argument("--steps", type=int, default=30_000)
    parser.add_argument("--minutes", type=float, default=math.inf, help="finish by the clock")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--bfloat16", action="store_true", help="where the hardware has tiles")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw the crops")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.manual_seed(options.seed)
    pictures.collect(options.pictures)
    options.run.mkdir(parents=True, exist_ok=True)
    keep = options.run / "state.pt"
    run = open_run(keep, options.start, options.device)
    seed = [options.seed, run.step]
    crops = (
        _drawn_beside(options.pictures, seed, options.workers)
        if options.workers
        else _drawn_here(options.pictures, seed)
    )
    seconds = 60 * options.minutes
    plan = Plan(options.steps, seconds, options.seed, options.device, options.bfloat16)
    train(run, crops, plan, keep)
    save_onnx(run.average.cpu(), options.out)
    draw_curve(run.losses, LOGGED, options.run / "curve.svg")


if __name__ == "__main__":
    main()
