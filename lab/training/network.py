"""The damage-mask net: a small U-Net that sees up to 165 pixels to each side of every pixel."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

_KERNELS = {
    # name: (kernel, channels in, channels out, stride, dilation)
    "stem": (3, 3, 12, 1, 1),
    "down1": (3, 12, 24, 2, 1),
    "mix1": (3, 24, 24, 1, 1),
    "down2": (3, 24, 40, 2, 1),
    "mix2": (3, 40, 40, 1, 1),
    "down3": (3, 40, 56, 2, 1),
    "mix3": (3, 56, 56, 1, 1),
    "wide3": (3, 56, 56, 1, 2),
    "down4": (3, 56, 96, 2, 1),
    "near4": (3, 96, 96, 1, 1),
    "wide4": (3, 96, 96, 1, 2),
    "widest4": (3, 96, 96, 1, 4),
    "back3": (1, 96, 56, 1, 1),
    "up2": (3, 96, 40, 1, 1),
    "up1": (3, 64, 24, 1, 1),
    "up0": (3, 36, 12, 1, 1),
    "mask": (1, 12, 1, 1, 1),
}


_LUMA = np.array([0.114, 0.587, 0.299], np.float32)  # of B, G, R


class DamageNet(nn.Module):
    """BGR in, (level - 128) / 64, sides divisible by 16; the logit of damage out, a pixel each."""

    def __init__(self) -> None:
        super().__init__()
        for name, (kernel, fan_in, fan_out, stride, dilation) in _KERNELS.items():
            pad = dilation * (kernel // 2)
            layer = nn.Conv2d(fan_in, fan_out, kernel, stride, pad, dilation)
            nn.init.kaiming_normal_(layer.weight)
            if name in ("near4", "wide4", "widest4"):
                layer.weight.data *= 0.5  # three residues are added up
            if name == "back3":
                nn.init.zeros_(layer.weight)  # a net without the fourth halving stays as it was
            # Damage is rare: starting from "no" saves the first thousand steps.
            nn.init.constant_(layer.bias, -3.0 if name == "mask" else 0.0)
            self.add_module(name, layer)

    def start_from(self, path: Path) -> None:
        """Take the kernels of a file that `save_onnx` wrote, also of an earlier, smaller net.

        The stem of a net for grey pictures is spread over the colours; what the file lacks stays.
        """
        stored = {
            held.name: numpy_helper.to_array(held) for held in onnx.load(path).graph.initializer
        }
        for name in _KERNELS:
            if f"{name}_kernel" not in stored:
                continue
            kernel = stored[f"{name}_kernel"].astype(np.float32)
            if name == "stem" and kernel.shape[1] == 1:
                kernel = kernel * _LUMA[:, None, None]
            with torch.no_grad():
                self.get_parameter(f"{name}.weight").copy_(torch.from_numpy(kernel))
                bias = torch.from_numpy(stored[f"{name}_bias"].copy())
                self.get_parameter(f"{name}.bias").copy_(bias)

    def forward(self, colours: Tensor) -> Tensor:
        """Return logits of the size of the input."""
        full = self._relu("stem", colours)
        half = self._relu("down1", full)
        half = half + self._relu("mix1", half)
        quarter = self._relu("down2", half)
        quarter = quarter + self._relu("mix2", quarter)
        eighth = self._relu("down3", quarter)
        eighth = eighth + self._relu("mix3", eighth)
        eighth = eighth + self._relu("wide3", eighth)
        sixteenth = self._relu("down4", eighth)
        for name in ("near4", "wide4", "widest4"):
            sixteenth = sixteenth + self._relu(name, sixteenth)
        eighth = eighth + _twice(self.get_submodule("back3")(sixteenth))
        quarter = self._relu("up2", torch.cat([_twice(eighth), quarter], 1))
        half = self._relu("up1", torch.cat([_twice(quarter), half], 1))
        full = self._relu("up0", torch.cat([_twice(half), full], 1))
        logits: Tensor = self.get_submodule("mask")(full)
        return logits

    def _relu(self, name: str, value: Tensor) -> Tensor:
        return functional.relu(self.get_submodule(name)(value))


def _twice(value: Tensor) -> Tensor:
    return functional.interpolate(value, scale_factor=2.0, mode="nearest")


def save_onnx(net: DamageNet, path: Path) -> None:
    """Write the net with half-precision kernels, as OpenCV's dnn reads it.

    The graph is put together by hand: the exporter of torch needs more packages and leaves shape
    arithmetic in the file that OpenCV does not take. OpenCV widens the kernels when it loads them.
    """
    graph = _Graph(net)
    full = graph.relu("stem", "colours")
    half = graph.residual("mix1", graph.relu("down1", full))
    quarter = graph.residual("mix2", graph.relu("down2", half))
    eighth = graph.residual("mix3", graph.relu("down3", quarter))
    eighth = graph.residual("wide3", eighth)
    sixteenth = graph.relu("down4", eighth)
    for name in ("near4", "wide4", "widest4"):
        sixteenth = graph.residual(name, sixteenth)
    seen_wide = graph.twice("back3_grown", graph.convolve("back3", sixteenth))
    eighth = graph.node("Add", [eighth, seen_wide], "eighth")
    quarter = graph.relu("up2", graph.join("join2", eighth, quarter))
    half = graph.relu("up1", graph.join("join1", quarter, half))
    full = graph.relu("up0", graph.join("join0", half, full))
    graph.node("Sigmoid", [graph.convolve("mask", full)], "damage")
    onnx.save(graph.model(), path)


class _Graph:
    def __init__(self, net: DamageNet) -> None:
        self._weights = {key: value.numpy() for key, value in net.state_dict().items()}
        scales = np.array([1, 1, 2, 2], np.float32)
        self._constants = [numpy_helper.from_array(scales, "twice")]
        self._nodes: list[onnx.NodeProto] = []

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def convolve(self, name: str, source: str) -> str:
        kernel, _, _, stride, dilation = _KERNELS[name]
        weight = self._weights[f"{name}.weight"].astype(np.float16)
        bias = self._weights[f"{name}.bias"]
        self._constants.append(numpy_helper.from_array(weight, f"{name}_kernel"))
        self._constants.append(numpy_helper.from_array(bias, f"{name}_bias"))
        return self.node(
            "Conv",
            [source, f"{name}_kernel", f"{name}_bias"],
            f"{name}_sum",
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            dilations=[dilation, dilation],
            pads=[dilation * (kernel // 2)] * 4,
        )

    def relu(self, name: str, source: str) -> str:
        return self.node("Relu", [self.convolve(name, source)], name)

    def residual(self, name: str, source: str) -> str:
        return self.node("Add", [source, self.relu(name, source)], f"{name}_added")

    def twice(self, name: str, source: str) -> str:
        return self.node(
            "Resize",
            [source, "", "twice"],
            name,
            mode="nearest",
            nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        )

    def join(self, name: str, coarse: str, fine: str) -> str:
        return self.node("Concat", [self.twice(f"{name}_grown", coarse), fine], name, axis=1)

    def model(self) -> onnx.ModelProto:
        graph = helper.make_graph(
            self._nodes,
            "damage_mask",
            [helper.make_tensor_value_info("colours", TensorProto.FLOAT, [1, 3, 256, 256])],
            [helper.make_tensor_value_info("damage", TensorProto.FLOAT, [1, 1, 256, 256])],
            self._constants,
        )
        opset = [helper.make_opsetid("", 13)]
        return helper.make_model(graph, opset_imports=opset, ir_version=8)
