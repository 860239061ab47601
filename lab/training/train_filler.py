"""Trains the net that fills marks and writes it as ONNX.

    python -m lab.training.train_filler --pictures /tmp/pictures --run /tmp/run \\
        --start providers/engine/models/filler.onnx --minutes 60 --out /tmp/filler.onnx

The net learns what a filling from the rims lacks. A first run, without --start, may begin with the
way down of the damage net: --halvings providers/engine/models/damage_mask.onnx. Stopped and started
again with the same --run it goes on where it was.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lab.training import holes, pictures
from lab.training.holes import Filled
from lab.training.network import HALVINGS, FillNet, save_onnx
from lab.training.runs import Plan, arguments, open_run, prepare, train

BATCH = 8
LEARNING_RATE = 1.5e-3
AVERAGED_STEPS = 400
LONGEST_GRADIENT = 1.0
EDGES, COARSE = 0.3, 0.3
"""Weights of the differences between neighbours, and of the means of 4 x 4 pixels, beside 1."""


def fill_loss(made: Tensor, truth: Tensor, hole: Tensor) -> Tensor:
    """The absolute error in the holes: the square would average edges that may lie here or there.

    Steps from pixel to pixel count too, so that lines go on, and means of blocks, so that tones do.
    """
    off = made - truth
    size = 3 * hole.sum() + 1
    across = torch.maximum(hole[..., 1:], hole[..., :-1])
    down = torch.maximum(hole[..., 1:, :], hole[..., :-1, :])
    edges = (torch.abs(off[..., 1:] - off[..., :-1]) * across).sum()
    edges = edges + (torch.abs(off[..., 1:, :] - off[..., :-1, :]) * down).sum()
    coarse = 16 * torch.abs(functional.avg_pool2d(off * hole, 4)).sum()
    return (torch.abs(off * hole).sum() + EDGES * edges + COARSE * coarse) / size


def _loss(net: FillNet, batch: list[Filled], rng: np.random.Generator) -> tuple[Tensor, float]:
    """What is to go down, and the error as a share of what a filling from the rims leaves."""
    # A crop that comes back is lit and mirrored anew.
    gain, light = rng.normal(1, 0.08), rng.normal(0, 0.08)
    flips = [axis for axis in (2, 3) if rng.random() < 0.5]
    filled, hole, truth = (
        torch.from_numpy(np.ascontiguousarray(np.flip(np.stack(parts), flips), np.float32))
        for parts in zip(*(_planes(each, gain, light) for each in batch), strict=True)
    )
    given = torch.cat([filled, hole], 1).contiguous(memory_format=torch.channels_last)
    made = filled + net(given) * hole
    left = (
        torch.abs(made.detach() - truth).mul(hole).sum() / torch.abs(filled - truth).mul(hole).sum()
    )
    return fill_loss(made, truth, hole), left.item()


def _planes(example: Filled, gain: float, light: float) -> tuple[np.ndarray, ...]:
    filled, hole, truth = example
    first, last = (
        (each.transpose(2, 0, 1).astype(np.float32) - 128) / 64 * gain + light
        for each in (filled, truth)
    )
    return first, (hole[None] > 0).astype(np.float32), last


def main() -> None:
    """Read the command line, train, write the file."""
    parser = arguments(__doc__, minutes=60)
    parser.add_argument("--halvings", type=Path, help="a damage net to begin with down there")
    options = parser.parse_args()
    prepare(options)
    keep = options.run / "filler.pt"
    net = FillNet()
    if options.start is not None:
        net.start_from(options.start)
    elif options.halvings is not None:
        net.start_from(options.halvings, HALVINGS)
    run = open_run(keep, net.to(memory_format=torch.channels_last), weight_decay=1e-4)
    rng = np.random.default_rng([options.seed, run.step])
    drawn = holes.batches(pictures.read(options.pictures), rng, BATCH)
    plan = Plan(
        LEARNING_RATE,
        AVERAGED_STEPS,
        LONGEST_GRADIENT,
        figure="error, of that from the rims",
        seconds=60 * options.minutes,
    )
    train(run, lambda: _loss(run.net, next(drawn), rng), plan, keep)
    save_onnx(run.average, options.out)


if __name__ == "__main__":
    main()
