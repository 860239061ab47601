"""Opening a stranger's file: only four formats, size known before any pixel is decoded; the result
is an upright 8-bit sRGB picture without any metadata.

Uploads are never passed to cv2.imread: it decodes a picture of any size.
"""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import IO

import filetype
import numpy as np
import pi_heif
from PIL import Image, ImageCms, ImageOps

from providers.engine import EngineError
from providers.engine.embedded.fields import Pixels

MAX_FILE_BYTES = 20 * 1024 * 1024  # what a Telegram bot can download
MAX_PIXELS = 50_000_000
MAX_SIDE = 12_000
MIN_SIDE = 64
MAX_ASPECT = 8

_FORMATS = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WEBP",
    "image/heic": "HEIF",
    "image/heif": "HEIF",
}
# Everything Pillow's and libheif's parsers were seen to raise on broken files.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)
_SRGB = ImageCms.createProfile("sRGB")

pi_heif.register_heif_opener()
# _check_size is stricter: Pillow alone only warns up to twice its limit.
Image.MAX_IMAGE_PIXELS = None


def read(path: Path, *, long_side: int) -> Pixels:
    """The photo upright, BGR, shrunk (never enlarged) so that its longer side fits `long_side`.

    Raises EngineError with one of the image codes.
    """
    if path.stat().st_size > MAX_FILE_BYTES:
        raise EngineError("image_too_large", f"{path.stat().st_size} bytes")
    with path.open("rb") as file, _open(file, _sniff(path)) as image:
        _check_size(*image.size)
        return _decode(image, long_side=long_side)


def fitted(width: int, height: int, *, long_side: int) -> tuple[int, int]:
    """Width and height scaled down, if needed, so that neither is more than `long_side`."""
    scale = min(1.0, long_side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _sniff(path: Path) -> str:
    kind = filetype.guess(str(path))
    if kind is None or not kind.mime.startswith("image/"):
        raise EngineError("not_an_image", kind.mime if kind else "unknown content")
    if kind.mime not in _FORMATS:
        raise EngineError("image_format_unsupported", kind.mime)
    return _FORMATS[kind.mime]


def _open(file: IO[bytes], format_name: str) -> Image.Image:
    try:
        return Image.open(file, formats=[format_name])
    except _BROKEN as error:
        raise EngineError("not_an_image", str(error)) from error


def _check_size(width: int, height: int) -> None:
    size = f"{width}x{height}"
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise EngineError("image_too_large", size)
    if min(width, height) < MIN_SIDE:
        raise EngineError("image_too_small", size)
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise EngineError("image_too_narrow", size)


def _decode(image: Image.Image, *, long_side: int) -> Pixels:
    try:
        # JPEG only: decode at 1/2, 1/4 or 1/8 if that is still enough; five times less memory.
        image.draft(None, (long_side, long_side))
        image.load()
    except _BROKEN as error:
        raise EngineError("image_truncated", str(error)) from error
    profile = image.info.get("icc_profile")
    small = _shrink(_without_palette(image), long_side=long_side)
    colours = _srgb(_on_white(_upright(small)), profile)
    return np.ascontiguousarray(np.asarray(colours)[:, :, ::-1])


def _without_palette(image: Image.Image) -> Image.Image:
    """Modes that can be averaged: 8 bits a channel, no palette."""
    if image.mode == "P":
        return image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode == "PA":
        return image.convert("RGBA")
    if image.mode.startswith("I;16"):
        # Pillow's own conversion clips at 255, so that 16-bit scans would come out white.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode == "1":
        return image.convert("L")
    return image


def _shrink(image: Image.Image, *, long_side: int) -> Image.Image:
    size = fitted(*image.size, long_side=long_side)
    if size == image.size:
        return image
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except (*_BROKEN, TypeError, KeyError):
        return image  # an unreadable EXIF block says nothing about orientation


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image
    picture = image.convert("RGBA")
    page = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(page, picture).convert("RGB")


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile and image.mode in ("RGB", "CMYK", "L"):
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            converted = None  # a broken profile, or one for channels the picture does not have
        if converted is not None:
            return converted
    return image.convert("RGB")
