"""A training that may be stopped: its state, its steps, the running average of its weights."""

import argparse
import copy
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from lab.training import pictures

SAVE_SECONDS = 90
LOGGED = 50
"""Steps of which each figure of the learning curve is the mean."""
_WARM_STEPS = 150
_LAST = 0.02  # of the learning rate

log = logging.getLogger("training")
Net = TypeVar("Net", bound=nn.Module)


@dataclass
class Run(Generic[Net]):
    """All that is needed to go on after a stop. figures: means of LOGGED steps each, see train().

    average: of the net's weights, which is what is written in the end. seconds: by the clock.
    """

    net: Net
    average: Net
    optimizer: torch.optim.Optimizer
    step: int
    figures: list[float]
    seconds: float

    def save(self, path: Path) -> None:
        """Write to a new file first: a stop in the middle must not cost the run."""
        fresh = path.with_suffix(".part")
        parts = {name: getattr(self, name).state_dict() for name in ("net", "average", "optimizer")}
        rest = {"step": self.step, "figures": self.figures, "seconds": self.seconds}
        torch.save(parts | rest, fresh)
        fresh.replace(path)


@dataclass(frozen=True)
class Plan:
    """How large a training's steps are, and when it is finished: by steps or by the clock.

    averaged_steps: the written weights are a running average over about so many. longest_gradient:
    beyond it a gradient is cut. figure: what is told of the training while it goes on.
    """

    learning_rate: float
    averaged_steps: int
    longest_gradient: float
    figure: str = "loss"
    steps: float = math.inf
    seconds: float = math.inf

    def done(self, run: Run[Any]) -> float:
        """Share of the training that lies behind."""
        return max(
            done / of if of else 1.0
            for done, of in ((run.step, self.steps), (run.seconds, self.seconds))
        )


def arguments(description: str | None, *, minutes: float) -> argparse.ArgumentParser:
    """What every training is told on its command line. minutes: where nobody says."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--pictures", type=Path, required=True, help="folder, filled at the first run"
    )
    parser.add_argument("--run", type=Path, required=True, help="folder of the state to go on from")
    parser.add_argument("--out", type=Path, required=True, help="the ONNX file to write")
    parser.add_argument("--start", type=Path, help="an ONNX file whose kernels to start from")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=minutes, help="finish by the clock")
    return parser


def prepare(options: argparse.Namespace) -> None:
    """Set up log, threads and chance, fetch the pictures, make the folder of the state."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.manual_seed(options.seed)
    pictures.collect(options.pictures)
    options.run.mkdir(parents=True, exist_ok=True)


def open_run(
    path: Path, net: Net, *, weight_decay: float, betas: tuple[float, float] = (0.9, 0.98)
) -> Run[Net]:
    """Go on with the run of that file, or begin one with this net."""
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=weight_decay, betas=betas)
    run = Run(net, copy.deepcopy(net), optimizer, 0, [], 0.0)
    if path.exists():
        state: dict[str, Any] = torch.load(path, map_location=next(net.parameters()).device)
        run.net.load_state_dict(state["net"])
        run.average.load_state_dict(state["average"])
        run.optimizer.load_state_dict(state["optimizer"])
        run.step, run.figures, run.seconds = state["step"], state["figures"], state["seconds"]
    return run


def train(
    run: Run[Any], loss_of_next: Callable[[], tuple[Tensor, float]], plan: Plan, keep: Path
) -> None:
    """Train until the plan is done, saving to `keep` now and then.

    loss_of_next: of the next batch; with the figure that tells people how the training goes.
    """
    begun = saved = time.monotonic()
    before, recent = run.seconds, []
    while (done := plan.done(run)) < 1:
        for group in run.optimizer.param_groups:
            group["lr"] = plan.learning_rate * _rate_share(run.step, done)
        loss, figure = loss_of_next()
        run.optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(run.net.parameters(), plan.longest_gradient)
        run.optimizer.step()
        _follow(run.average, run.net, run.step, over=plan.averaged_steps)
        recent.append(figure)
        run.step += 1
        run.seconds = before + time.monotonic() - begun
        if run.step % LOGGED == 0:
            run.figures.append(float(np.mean(recent)))
            recent.clear()
            spent = f"{run.seconds:.0f} s ({time.process_time():.0f} of this process)"
            log.info("step %d, %s, %s %.4f", run.step, spent, plan.figure, run.figures[-1])
        if time.monotonic() - saved > SAVE_SECONDS:
            run.save(keep)
            saved = time.monotonic()
    run.save(keep)


def _rate_share(step: int, done: float) -> float:
    """Share of the learning rate: a short rise, then a cosine down. done: of the training, 0..1."""
    warm = min(1.0, 0.05 + step / _WARM_STEPS)
    fall = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return warm * (_LAST + (1 - _LAST) * fall)


def _follow(average: nn.Module, net: nn.Module, step: int, *, over: int) -> None:
    """Move the average, after the last `over` steps; at first it follows closely."""
    share = 1 / min(over, 1.5 + step / 4)
    with torch.no_grad():
        for slow, fast in zip(average.parameters(), net.parameters(), strict=True):
            slow.lerp_(fast, share)
