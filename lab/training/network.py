"""The nets of the damage mask and of the filler: small U-Nets that see about 165 and 100 pixels to
each side of every pixel.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

Kernels = dict[str, tuple[int, int, int, int, int]]
"""Name: (kernel, channels in, channels out, stride, dilation)."""

_LUMA = np.array([0.114, 0.587, 0.299], np.float32)  # of B, G, R
_DEEP = ("near4", "wide4", "widest4")  # residues after the last halving


def _halvings(channels: int) -> Kernels:
    return {
        "stem": (3, channels, 12, 1, 1),
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
        "back3": (1, 96, 56, 1, 1),
    }


HALVINGS = tuple(_halvings(3))


class UNet(nn.Module):
    """Planes in, sides divisible by 16; what the kernel ANSWER makes of them out, a pixel each.

    LAST: what the written net does to that.
    """

    KERNELS: ClassVar[Kernels]
    ANSWER: ClassVar[str]
    LAST: ClassVar[str] = "Identity"

    def __init__(self) -> None:
        super().__init__()
        for name, (kernel, fan_in, fan_out, stride, dilation) in self.KERNELS.items():
            pad = dilation * (kernel // 2)
            layer = nn.Conv2d(fan_in, fan_out, kernel, stride, pad, dilation)
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
            if name in _DEEP:
                layer.weight.data *= 0.5  # these are added up
            self.add_module(name, layer)

    def start_from(self, path: Path, names: Collection[str] | None = None) -> None:
        """Take the kernels of a file that `save_onnx` wrote. names: only these.

        A stem takes what it can use: that for grey pictures is spread over the colours, and a plane
        that the file did not know keeps its kernels. So does what the file lacks. ValueError for
        any other shape.
        """
        stored = {
            held.name: numpy_helper.to_array(held) for held in onnx.load(path).graph.initializer
        }
        for name in self.KERNELS if names is None else names:
            if f"{name}_kernel" not in stored:
                continue
            kernel = torch.from_numpy(stored[f"{name}_kernel"].astype(np.float32))
            if name == "stem" and kernel.shape[1] == 1:
                kernel = kernel * _LUMA[:, None, None]
            weight, bias = (self.get_parameter(f"{name}.{part}") for part in ("weight", "bias"))
            known = weight[:, : kernel.shape[1]] if name == "stem" else weight
            if kernel.shape != known.shape:
                raise ValueError(f"{path.name}: {name} has the shape {tuple(kernel.shape)}")
            with torch.no_grad():
                known.copy_(kernel)
                bias.copy_(torch.from_numpy(stored[f"{name}_bias"].copy()))

    def forward(self, planes: Tensor) -> Tensor:
        """Return the answer, of the size of the input."""
        full = self._relu("stem", planes)
        half = self._relu("down1", full)
        half = half + self._relu("mix1", half)
        quarter = self._relu("down2", half)
        quarter = quarter + self._relu("mix2", quarter)
        eighth = self._relu("down3", quarter)
        eighth = eighth + self._relu("mix3", eighth)
        eighth = eighth + self._relu("wide3", eighth)
        sixteenth = self._relu("down4", eighth)
        for name in _DEEP:
            if name in self.KERNELS:
                sixteenth = sixteenth + self._relu(name, sixteenth)
        eighth = eighth + _twice(self.get_submodule("back3")(sixteenth))
        quarter = self._relu("up2", torch.cat([_twice(eighth), quarter], 1))
        half = self._relu("up1", torch.cat([_twice(quarter), half], 1))
        full = self._relu("up0", torch.cat([_twice(half), full], 1))
        answer: Tensor = self.get_submodule(self.ANSWER)(full)
        return answer

    def _relu(self, name: str, value: Tensor) -> Tensor:
        return functional.relu(self.get_submodule(name)(value))


class DamageNet(UNet):
    """BGR in, (level - 128) / 64; the logit of damage out, the chance once it is written."""

    KERNELS = _halvings(3) | {
        "widest4": (3, 96, 96, 1, 4),
        "up2": (3, 96, 40, 1, 1),
        "up1": (3, 64, 24, 1, 1),
        "up0": (3, 36, 12, 1, 1),
        "mask": (1, 12, 1, 1, 1),
    }
    ANSWER = "mask"
    LAST = "Sigmoid"

    def __init__(self) -> None:
        super().__init__()
        nn.init.zeros_(self.get_parameter("back3.weight"))  # without it, it is the first, grey net
        # Damage is rare: starting from "no" saves the first thousand steps.
        nn.init.constant_(self.get_parameter("mask.bias"), -3.0)


class FillNet(UNet):
    """BGR in, filled from the rims, (level - 128) / 64, and 1 in the holes; what to add out."""

    KERNELS = _halvings(4) | {
        "up2": (3, 96, 48, 1, 1),
        "up1": (3, 72, 32, 1, 1),
        "up0": (3, 44, 24, 1, 1),
        "added": (3, 24, 3, 1, 1),
    }
    ANSWER = "added"

    def __init__(self) -> None:
        super().__init__()
        nn.init.zeros_(self.get_parameter("added.weight"))  # at first it adds nothing


def _twice(value: Tensor) -> Tensor:
    return functional.interpolate(value, scale_factor=2.0, mode="nearest")


def save_onnx(net: UNet, path: Path) -> None:
    """Write the net with half-precision kernels, as OpenCV's dnn reads it.

    The graph is put together by hand: the exporter of torch needs more packages and leaves shape
    arithmetic in the file that OpenCV does not take. OpenCV widens the kernels when it loads them.
    """
    graph = _Graph(net)
    full = graph.relu("stem", "planes")
    half = graph.residual("mix1", graph.relu("down1", full))
    quarter = graph.residual("mix2", graph.relu("down2", half))
    eighth = graph.residual("mix3", graph.relu("down3", quarter))
    eighth = graph.residual("wide3", eighth)
    sixteenth = graph.relu("down4", eighth)
    for name in _DEEP:
        if name in net.KERNELS:
            sixteenth = graph.residual(name, sixteenth)
    seen_wide = graph.twice("back3_grown", graph.convolve("back3", sixteenth))
    eighth = graph.node("Add", [eighth, seen_wide], "eighth")
    quarter = graph.relu("up2", graph.join("join2", eighth, quarter))
    half = graph.relu("up1", graph.join("join1", quarter, half))
    full = graph.relu("up0", graph.join("join0", half, full))
    graph.node(net.LAST, [graph.convolve(net.ANSWER, full)], "answer")
    onnx.save(graph.model(path.stem), path)


class _Graph:
    def __init__(self, net: UNet) -> None:
        self._kernels = net.KERNELS
        self._channels = (net.KERNELS["stem"][1], net.KERNELS[net.ANSWER][2])
        self._weights = {key: value.numpy() for key, value in net.state_dict().items()}
        scales = np.array([1, 1, 2, 2], np.float32)
        self._constants = [numpy_helper.from_array(scales, "twice")]
        self._nodes: list[onnx.NodeProto] = []

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def convolve(self, name: str, source: str) -> str:
        kernel, _, _, stride, dilation = self._kernels[name]
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

    def model(self, name: str) -> onnx.ModelProto:
        planes, answer = (
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, 256, 256])
            for name, channels in zip(("planes", "answer"), self._channels, strict=True)
        )
        graph = helper.make_graph(self._nodes, name, [planes], [answer], self._constants)
        opset = [helper.make_opsetid("", 13)]
        return helper.make_model(graph, opset_imports=opset, ir_version=8)
