"""Trains the net that doubles a photo's size and writes it as ONNX.

    python -m lab.training.train_enlarger --pictures /tmp/pictures --run /tmp/run \\
        --start providers/engine/models/upscale2x.onnx --minutes 40 --out /tmp/upscale2x.onnx

The net learns what a plain cubic resize lacks. Its fourth input says how much noise to take away
on the way: 0, or 0.5 and 1 for prints with visible grain. Stopped and started again with the same
--run it goes on where it was.
"""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from lab.training import pictures
from lab.training.doubling import LAYERS, Colours, Example, examples
from lab.training.runs import Plan, arguments, open_run, prepare, train

CHANNELS = 32
SLOPE = 0.1
"""Of the leaky ReLU below zero."""
BATCH = 8
LEARNING_RATE = 2e-3
AVERAGED_STEPS = 300
LONGEST_GRADIENT = 0.5


class Enlarger(nn.Module):
    """BGR, 0..1, and the noise level in; 12 channels out, to be added to a resize.

    These are rows, columns, then colours of the four pixels that each one becomes.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = [4, *[CHANNELS] * (LAYERS - 1), 12]
        for number in range(LAYERS):
            layer = nn.Conv2d(widths[number], widths[number + 1], 3)
            nn.init.kaiming_normal_(layer.weight, a=SLOPE)
            nn.init.zeros_(layer.bias)
            if number == LAYERS - 1:
                layer.weight.data *= 0.01  # at first it adds nothing
            self.add_module(f"layer{number}", layer)

    def start_from(self, path: Path) -> None:
        """Take the kernels of a file that `save_onnx` wrote."""
        stored = {
            held.name: numpy_helper.to_array(held) for held in onnx.load(path).graph.initializer
        }
        for number in range(LAYERS):
            layer = self.get_submodule(f"layer{number}")
            parts = {"weight": f"kernel{number}", "bias": f"bias{number}"}
            layer.load_state_dict(
                {
                    part: torch.from_numpy(stored[name].astype(np.float32))
                    for part, name in parts.items()
                }
            )

    def forward(self, value: Tensor) -> Tensor:
        """Return what is to be added."""
        for number in range(LAYERS):
            value = self.get_submodule(f"layer{number}")(value)
            if number < LAYERS - 1:
                value = functional.leaky_relu(value, SLOPE)
        return value


def _loss(net: Enlarger, batch: list[Example]) -> tuple[Tensor, float]:
    """What is to go down, and the error as a share of a plain resize's."""
    given, resized, truth = (_stacked(parts) for parts in zip(*batch, strict=True))
    added = net(given.contiguous(memory_format=torch.channels_last))
    off = resized + _shuffled(added) - truth
    # Nearly the absolute error: the square would average edges that could lie here or there.
    loss = torch.sqrt(off**2 + 1e-6).mean()
    return loss, loss.item() / float(torch.abs(resized - truth).mean())


def _stacked(parts: tuple[Colours, ...]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.stack(parts).transpose(0, 3, 1, 2)))


def _shuffled(fine: Tensor) -> Tensor:
    count, _, height, width = fine.shape
    parts = fine.reshape(count, 2, 2, 3, height, width).permute(0, 3, 4, 1, 5, 2)
    return parts.reshape(count, 3, 2 * height, 2 * width)


def save_onnx(net: Enlarger, path: Path) -> None:
    """Write the net with half-precision kernels, as OpenCV's dnn reads it."""
    nodes, constants, value = [], [], "colours"
    for number in range(LAYERS):
        layer = net.get_submodule(f"layer{number}").state_dict()
        kernel = layer["weight"].numpy().astype(np.float16)
        constants.append(numpy_helper.from_array(kernel, f"kernel{number}"))
        constants.append(numpy_helper.from_array(layer["bias"].numpy(), f"bias{number}"))
        last = number == LAYERS - 1
        summed = "added" if last else f"sum{number}"
        inputs = [value, f"kernel{number}", f"bias{number}"]
        nodes.append(helper.make_node("Conv", inputs, [summed], kernel_shape=[3, 3]))
        if not last:
            value = f"layer{number}"
            nodes.append(helper.make_node("LeakyRelu", [summed], [value], alpha=SLOPE))
    side = 128
    taken = side + 2 * LAYERS
    graph = helper.make_graph(
        nodes,
        "upscale2x",
        [helper.make_tensor_value_info("colours", TensorProto.FLOAT, [1, 4, taken, taken])],
        [helper.make_tensor_value_info("added", TensorProto.FLOAT, [1, 12, side, side])],
        constants,
    )
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)


def main() -> None:
    """Read the command line, train, write the file."""
    parser = arguments(__doc__, minutes=40)
    options = parser.parse_args()
    prepare(options)
    keep = options.run / "enlarger.pt"
    net = Enlarger()
    if options.start is not None:
        net.start_from(options.start)
    net = net.to(memory_format=torch.channels_last)
    run = open_run(keep, net, weight_decay=0.0, betas=(0.9, 0.999))
    photos = [photo for _, photo in pictures.read(options.pictures)]
    batches = examples(photos, np.random.default_rng([options.seed, run.step]), BATCH)
    plan = Plan(
        LEARNING_RATE,
        AVERAGED_STEPS,
        LONGEST_GRADIENT,
        figure="error, of a resize's",
        seconds=60 * options.minutes,
    )
    train(run, lambda: _loss(run.net, next(batches)), plan, keep)
    save_onnx(run.average, options.out)


if __name__ == "__main__":
    main()
