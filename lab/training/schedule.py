"""How the step size of a training rises and falls, and the average of the weights it leaves."""

import math

import torch
from torch import nn

_WARM_STEPS = 150
_LAST = 0.02


def step_size(step: int, done: float) -> float:
    """Share of the highest: a short rise, then a cosine down. done: of the training, 0..1."""
    warm = min(1.0, 0.05 + step / _WARM_STEPS)
    fall = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return warm * (_LAST + (1 - _LAST) * fall)


def follow(average: nn.Module, net: nn.Module, step: int, *, over: int) -> None:
    """Move the average, which is what is written in the end, after the last `over` steps."""
    share = 1 / min(over, 1.5 + step / 4)
    with torch.no_grad():
        for slow, fast in zip(average.parameters(), net.parameters(), strict=True):
            slow.lerp_(fast, share)
