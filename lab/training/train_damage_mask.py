"""Trains the damage-mask net of the embedded engine and writes it as ONNX.

    python -m training.train_damage_mask --pictures /tmp/pictures --out damage_mask.onnx

The first run fetches the pictures. One thread; about forty minutes give the shipped quality.
"""

import argparse
import copy
import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lab.training import pictures
from lab.training.damage import damage_crop, grain_and_jpeg
from lab.training.network import DamageNet, save_onnx
from lab.training.scenes import draw_scene

CROP = 128
BATCH = 8
SHARE_CLEAN = 0.34
"""Undamaged crops teach the net to leave a sound photo alone: that is most of what it sees."""
SHARE_DRAWN = 0.3
"""Drawn scenes among the crops; the rest are photos."""
SCENES_IN_STORE = 250
LEARNING_RATE = 2.5e-3
AVERAGED_STEPS = 200
"""The shipped weights are a running average over about this many steps."""

log = logging.getLogger("training")

Crop = tuple[NDArray[np.float32], NDArray[np.float32]]


class CropStore:
    """Endless random crops with their damage masks, from the photos and from drawn scenes."""

    def __init__(self, photos: list[tuple[int, NDArray[np.uint8]]], rng: Generator) -> None:
        self._rng = rng
        self._photos = [photo for _, photo in photos]
        weights = np.array([weight for weight, _ in photos], float)
        self._chances = weights / weights.sum()
        self._scenes = [draw_scene(rng) for _ in range(SCENES_IN_STORE)]

    def batch(self) -> tuple[Tensor, Tensor]:
        """Return inputs of the net and masks, each BATCH x 1 x CROP x CROP."""
        crops = [self._crop() for _ in range(BATCH)]
        # One scene per batch is redrawn: the store never goes stale, and a step hardly costs more.
        self._scenes[int(self._rng.integers(SCENES_IN_STORE))] = draw_scene(self._rng)
        luma = np.stack([grey for grey, _ in crops])[:, None]
        mask = np.stack([mask for _, mask in crops])[:, None]
        return torch.from_numpy((luma - 128) / 64), torch.from_numpy(mask)

    def _crop(self) -> Crop:
        rng = self._rng
        grey = _vary(self._cut(), rng)
        mask = np.zeros_like(grey)
        if rng.random() >= SHARE_CLEAN:
            grey, mask = damage_crop(grey, rng)
        return grain_and_jpeg(grey, rng), mask

    def _cut(self) -> NDArray[np.float32]:
        rng = self._rng
        if rng.random() < SHARE_DRAWN:
            picture = self._scenes[int(rng.integers(SCENES_IN_STORE))]
        else:
            picture = self._photos[int(rng.choice(len(self._photos), p=self._chances))]
        scale = np.exp(rng.uniform(np.log(0.3), np.log(1.4)))
        side = min(round(CROP / scale), *picture.shape)
        top = int(rng.integers(picture.shape[0] - side + 1))
        left = int(rng.integers(picture.shape[1] - side + 1))
        cut = picture[top : top + side, left : left + side]
        way = cv2.INTER_AREA if side > CROP else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(cut, (CROP, CROP), interpolation=way), np.float32)


@dataclass(frozen=True)
class Schedule:
    """How long to train: `seconds` of wall time, of which the step size is a cosine."""

    seconds: float

    def rate(self, spent: float) -> float:
        """The learning rate after `spent` seconds, down to 2 % of the first."""
        warm = min(1.0, 0.05 + spent / (0.01 * self.seconds))
        share = min(1.0, spent / self.seconds)
        return LEARNING_RATE * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))


def train(store: CropStore, schedule: Schedule) -> DamageNet:
    """Return the averaged net after the scheduled time."""
    net = DamageNet()
    average = copy.deepcopy(net)
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=1e-4)
    started, losses = time.monotonic(), []
    while (spent := time.monotonic() - started) < schedule.seconds:
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(spent)
        luma, mask = store.batch()
        # Half precision and channels last: twice as many steps an hour on a common CPU.
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = net(luma.contiguous(memory_format=torch.channels_last))
        loss = mask_loss(logits.float(), mask)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        _update_average(average, net)
        losses.append(loss.item())
        if len(losses) % 200 == 0:
            log.info("%5.0f s, step %d, loss %.4f", spent, len(losses), np.mean(losses[-200:]))
    return average


def mask_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """Cross entropy plus half a Dice loss: thin scratches must count beside large blank areas."""
    weight = 1 + 0.3 * mask
    entropy = functional.binary_cross_entropy_with_logits(logits, mask, weight)
    chance = torch.sigmoid(logits)
    overlap = (chance * mask).sum()
    dice = 1 - (2 * overlap + 20) / (chance.sum() + mask.sum() + 20)
    return entropy + 0.5 * dice


@torch.no_grad()
def _update_average(average: DamageNet, net: DamageNet) -> None:
    for slow, fast in zip(average.parameters(), net.parameters(), strict=True):
        slow.lerp_(fast, 1 / AVERAGED_STEPS)


def _vary(grey: NDArray[np.float32], rng: Generator) -> NDArray[np.float32]:
    """Mirror, turn, blur, fade and roughen a crop, as scans of prints differ."""
    if rng.random() < 0.5:
        grey = grey[:, ::-1].copy()
    if rng.random() < 0.3:
        grey = np.rot90(grey, int(rng.integers(1, 4))).copy()
    if rng.random() < 0.6:
        grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), float(rng.uniform(0.4, 1.5))))
    mean = float(grey.mean())
    level = float(np.clip(mean + rng.normal(0, 25), 25, 230))
    grey = (grey - mean) * np.float32(rng.uniform(0.4, 1.05)) + np.float32(level)
    if rng.random() < 0.4:
        grey = grey + rng.normal(0, rng.uniform(1, 9), grey.shape).astype(np.float32)
    return np.asarray(grey, np.float32)


def main() -> None:
    """Read the command line, train, write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, required=True, help="folder, filled if empty")
    parser.add_argument("--out", type=Path, required=True, help="the ONNX file to write")
    parser.add_argument("--minutes", type=float, default=38.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.manual_seed(options.seed)
    if not any(options.pictures.glob("*.png")):
        pictures.collect(options.pictures)
    photos = pictures.read(options.pictures)
    log.info("%d photos", len(photos))
    store = CropStore(photos, np.random.default_rng(options.seed))
    save_onnx(train(store, Schedule(options.minutes * 60)), options.out)


if __name__ == "__main__":
    main()
