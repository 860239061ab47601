"""Opening a stranger's file: only the formats and sizes of `images`, known before any pixel is
decoded; the result is an upright 8-bit sRGB picture without any metadata.

Uploads are never passed to cv2.imread: it decodes a picture of any size.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pi_heif
from PIL import Image, ImageCms

import images
from images.source import Ended, Malformed
from providers.engine import EngineError
from providers.engine.embedded import scans
from providers.engine.embedded.fields import Pixels
from providers.engine.embedded.orientation import orientation, turned
from providers.engine.embedded.parts import Parts, taken_apart

_SRGB = ImageCms.createProfile("sRGB")

pi_heif.register_heif_opener()
# Ours is stricter: Pillow alone only warns up to twice its limit.
Image.MAX_IMAGE_PIXELS = None


def read(path: Path, *, long_side: int) -> Pixels:
    """The photo upright, BGR, shrunk (never enlarged) so that its longer side fits `long_side`.

    Raises EngineError with one of the codes in images.REFUSALS.
    """
    format_name, parts = _parts(path)
    image = _whole(parts.pixels, format_name, long_side=long_side)
    way_up = orientation([*parts.exif, image.info.get("exif") or b""])
    profile = parts.profile or image.info.get("icc_profile")
    small = _shrink(_without_palette(image), long_side=long_side)
    colours = _srgb(_on_white(turned(small, way_up)), profile)
    return np.ascontiguousarray(np.asarray(colours)[:, :, ::-1])


def fitted(width: int, height: int, *, long_side: int) -> tuple[int, int]:
    """Width and height scaled down, if needed, so that neither is more than `long_side`."""
    scale = min(1.0, long_side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _parts(path: Path) -> tuple[str, Parts]:
    """Pillow's name of the format, and the file taken apart. EngineError."""
    try:
        with path.open("rb") as file:
            header = images.inspect(file, size=path.stat().st_size)
            file.seek(0)
            format_name = images.FORMATS[header.content_type]
            return format_name, taken_apart(file.read(), format_name)
    except images.ImageRefused as error:
        raise EngineError(error.code, error.reason) from error
    except Malformed as error:
        raise EngineError("not_an_image", str(error)) from error
    except Ended as error:
        raise EngineError("image_truncated", "the file ends too early") from error


def _whole(pixels: bytes, format_name: str, *, long_side: int) -> Image.Image:
    """The decoded picture; a JPEG may lack its end marker if it lacks nothing else. EngineError."""
    try:
        return _decoded(pixels, format_name, long_side=long_side)
    except EngineError as error:
        if format_name != "JPEG" or error.code != "image_truncated":
            raise
        image = _decoded(scans.ended(pixels), format_name, long_side=long_side)
        shown = image.tobytes()
        for more in scans.continued(pixels):
            if _decoded(more, format_name, long_side=long_side).tobytes() != shown:
                raise
        if not scans.none_missing(pixels):
            raise
        return image


def _decoded(pixels: bytes, format_name: str, *, long_side: int) -> Image.Image:
    """The picture, shrunk while it is decoded if the format allows. EngineError."""
    with _blaming_file("not_an_image"):
        image = Image.open(BytesIO(pixels), formats=[format_name])
    try:
        images.check_size(*image.size)  # a decoder's word counts more than a header's
    except images.ImageRefused as error:
        raise EngineError(error.code, error.reason) from error
    with _blaming_file("image_truncated"):
        # JPEG only: decode at 1/2, 1/4 or 1/8 if that is still enough; five times less memory.
        image.draft(None, fitted(*image.size, long_side=long_side))
        image.load()
    return image


@contextmanager
def _blaming_file(code: str) -> Iterator[None]:
    """Whatever a decoder raises on a stranger's file is about the file, except lack of memory.

    Pillow, libheif and libavif raise a dozen types, and another one with each version.
    """
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        raise EngineError(code, f"{type(error).__name__}: {error}") from error


def _without_palette(image: Image.Image) -> Image.Image:
    """Modes that can be averaged: 8 bits a channel, no palette."""
    if image.mode == "P":
        return image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode == "PA":
        return image.convert("RGBA")
    if image.mode in ("L", "RGB") and "transparency" in image.info:
        # One colour stands for "transparent": averaged with others it would stand for nothing.
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
