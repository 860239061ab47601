"""Which picture files are accepted, and what their headers say.

The one table of formats and limits for both who refuse by it: the door (`services/media.py`) and
the engine (`providers/engine/embedded/photo.py`). Plain Python that reads headers and decodes no
pixels: no decoder in C sees a stranger's bytes in a process that holds keys. Imports nothing of
ours.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import filetype

from images import isobmff, jpeg, png, webp
from images.source import Ended, Malformed, NotSeen, Source

MAX_FILE_BYTES = 20 * 1024 * 1024  # what a Telegram bot can download
MAX_PIXELS = 50_000_000
MIN_SIDE = 64  # pixels
MAX_ASPECT = 8  # longer side to shorter side
# What is fetched of an object in a bucket. A camera's header has 5 to 70 kB with its preview, twice
# that with a large colour profile.
HEAD_BYTES = 256 * 1024
START_BYTES = 8192  # is enough to recognise any format, ours or not

# content type: Pillow's name of the decoder
FORMATS = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WEBP",
    "image/heic": "HEIF",
    "image/heif": "HEIF",
    "image/avif": "AVIF",
}
# Brands in the `ftyp` box of HEIF and AVIF files (ISO/IEC 23008-12, annex B; AV1 Image File Format,
# section 6). With HEVC there is one for 8 bits, for more, for layers, and the same of sequences.
BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis"), "image/heic"),
    **dict.fromkeys((b"hevc", b"hevx", b"hevm", b"hevs"), "image/heic"),
    **dict.fromkeys((b"avif", b"avis"), "image/avif"),
}
# Any codec, which another brand or only the decoder can tell.
GENERAL_BRANDS = {b"mif1": "image/heif", b"msf1": "image/heif"}

_ACCEPTED = "Пришлите снимок в формате JPEG, PNG, WebP или HEIC."
# code: what the bot shows the customer. A refusal for one of these is final for this file.
REFUSALS = {
    "not_an_image": f"Этот файл не похож на фотографию. {_ACCEPTED}",
    "image_format_unsupported": f"Такой формат не поддерживается. {_ACCEPTED}",
    "image_truncated": "Файл повреждён и не открывается до конца. Отправьте фотографию ещё раз.",
    "file_too_large": (
        f"Файл слишком большой. Пришлите фотографию до {MAX_FILE_BYTES // 1024**2} МБ."
    ),
    "image_too_large": (
        "На фотографии слишком много пикселей. "
        f"Пришлите снимок до {MAX_PIXELS // 1_000_000} мегапикселей."
    ),
    "image_too_small": (
        f"Фотография слишком маленькая. Нужен снимок не меньше {MIN_SIDE} пикселей "
        "по каждой стороне."
    ),
    "image_too_narrow": (
        "Фотография слишком вытянутая. Обрежьте её так, чтобы стороны отличались не больше "
        f"чем в {MAX_ASPECT} раз."
    ),
}


class ImageRefused(Exception):
    """This file cannot be processed, now or later.

    code: one of REFUSALS; reason: for a programmer, continues "the file ...".
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class Header:
    """What a file's header says. size: width and height before any turning, pixels; None when it is
    not where it was looked for, which only a decoder can tell.
    """

    content_type: str
    size: tuple[int, int] | None


def inspect(file: BinaryIO, *, size: int) -> Header:
    """Read the header of a file of `size` bytes; raises ImageRefused only when it is certain.

    `file` is seekable and may hold only the beginning, such as HEAD_BYTES: what lies beyond it is
    not judged.
    """
    if size > MAX_FILE_BYTES:
        raise ImageRefused("file_too_large", f"has {size} bytes, more than {MAX_FILE_BYTES}")
    source = Source(file, size)
    content_type = recognised(source.read_some(0, START_BYTES))
    container = _CONTAINERS[FORMATS[content_type]]
    pixels = None
    try:
        with suppress(NotSeen):
            pixels = container.size(source)
    except Ended as error:
        raise ImageRefused("not_an_image", "ends within its header") from error
    except Malformed as error:
        raise ImageRefused("not_an_image", str(error)) from error
    if pixels is not None:
        check_size(*pixels)
    try:
        with suppress(NotSeen, Malformed):
            container.require_whole(source)
    except Ended as error:
        raise ImageRefused("image_truncated", "ends before its pixels do") from error
    return Header(content_type, pixels)


def recognised(start: bytes) -> str:
    """The content type of a file that begins with `start`. ImageRefused unless it is in FORMATS."""
    if start.startswith(jpeg.START_OF_IMAGE + b"\xff"):
        return "image/jpeg"
    if start.startswith(png.SIGNATURE):
        return "image/png"
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "image/webp"
    brands = isobmff.brands(start)
    for known in (BRANDS, GENERAL_BRANDS):
        for brand in brands:
            if brand in known:
                return known[brand]
    other = filetype.guess(start)
    if other is not None and other.mime.startswith("image/"):
        raise ImageRefused("image_format_unsupported", f"is {other.mime}")
    raise ImageRefused("not_an_image", f"is {other.mime}" if other else "is of no known type")


def check_size(width: int, height: int) -> None:
    """ImageRefused unless a picture of so many pixels is accepted; turning it changes nothing."""
    size = f"{width}x{height} pixels"
    if width < 1 or height < 1:
        raise ImageRefused("not_an_image", f"has {size}")
    if width * height > MAX_PIXELS:
        raise ImageRefused("image_too_large", f"has {size}, more than {MAX_PIXELS} in all")
    if min(width, height) < MIN_SIDE:
        raise ImageRefused("image_too_small", f"has {size}, fewer than {MIN_SIDE} on a side")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageRefused("image_too_narrow", f"has {size}, longer than {MAX_ASPECT}:1")


class _Container(Protocol):
    """What this module needs of the module of a format."""

    def size(self, source: Source) -> tuple[int, int]: ...
    def require_whole(self, source: Source) -> None: ...


_CONTAINERS: dict[str, _Container] = {
    "JPEG": jpeg,
    "PNG": png,
    "WEBP": webp,
    "HEIF": isobmff,
    "AVIF": isobmff,
}
