"""Writes the weighted mean of damage-mask nets that were trained on from the same one.

python -m lab.training.mean_of_nets --out /tmp/mean.onnx /tmp/one.onnx 0.5 /tmp/other.onnx 0.5
"""

import argparse
from pathlib import Path

import torch

from lab.training.network import DamageNet, save_onnx


def main() -> None:
    """Read the command line, write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the ONNX file to write")
    parser.add_argument("parts", nargs="+", help="a file and its share, in turn")
    options = parser.parse_args()
    files, shares = options.parts[::2], [float(share) for share in options.parts[1::2]]
    if len(files) != len(shares) or abs(sum(shares) - 1) > 1e-6:
        parser.error("each file needs a share, and all shares together are 1")
    mean = DamageNet().double()
    with torch.no_grad():
        for parameter in mean.parameters():
            parameter.zero_()
        for file, share in zip(files, shares, strict=True):
            net = DamageNet()
            for parameter in net.parameters():
                parameter.zero_()  # what the file of an earlier net, which halved less, lacks
            net.start_from(Path(file))
            for parameter, part in zip(mean.parameters(), net.parameters(), strict=True):
                parameter += share * part.double()
    save_onnx(mean.float(), options.out)


if __name__ == "__main__":
    main()
