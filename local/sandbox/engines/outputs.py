"""What the simulated models make of a photo, and files with something wrong about them."""

from __future__ import annotations

import io
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import imageio_ffmpeg
from PIL import Image, ImageOps

# expired: 404. html: a page with 200. wrong: the other kind of media. cut: half of it, with the
# right length. broken: the connection ends half-way. untyped: good, as octet-stream. redirect:
# good, one hop further. away: redirects into the network of a cloud. foreign: on the host of nobody
# we know. odd: a video that phones do not play.
FILES = (
    *("good", "expired", "html", "empty", "wrong", "cut", "broken", "huge", "endless"),
    *("untyped", "redirect", "away", "foreign", "odd"),
)
SMALLEST_SIDE = 300
LONGEST_SIDE = 1024
VIDEO_SIDE = 384
VIDEO_SECONDS = 2
FRAMES_PER_SECOND = 12
MAKE_SECONDS = 60


class UnusablePhoto(Exception):
    """What a model says about a photo it cannot use; `code` as fal names it."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


def check(photo: bytes) -> dict[str, object]:
    """Facts about a photo as models see it. UnusablePhoto for one that most of them refuse."""
    try:
        with Image.open(io.BytesIO(photo)) as image:
            image.load()
            facts: dict[str, object] = {
                "format": image.format,
                "mode": image.mode,
                "width": image.width,
                "height": image.height,
                "progressive": bool(image.info.get("progressive")),
                "metadata": sorted({"exif", "icc_profile", "xmp", "comment"} & set(image.info)),
                "bytes": len(photo),
            }
    except OSError as error:
        raise UnusablePhoto("image_load_error", "Could not open image") from error
    if min(image.size) < SMALLEST_SIDE:
        raise UnusablePhoto("image_too_small", f"Image is smaller than {SMALLEST_SIDE} pixels")
    if max(image.size) > 2.5 * min(image.size):
        raise UnusablePhoto("image_aspect_ratio", "The aspect ratio must be 1:2.5 to 2.5:1")
    return facts


def blank() -> bytes:
    """What a model makes that was given no photo."""
    out = io.BytesIO()
    Image.new("RGB", (512, 512), (150, 150, 150)).save(out, "JPEG")
    return out.getvalue()


def picture(photo: bytes) -> bytes:
    """A JPEG with more contrast, twice as large."""
    with Image.open(io.BytesIO(photo)) as image:
        plain = ImageOps.autocontrast(image.convert("RGB"), cutoff=1)
    scale = min(2.0, LONGEST_SIDE / max(plain.size))
    size = (max(1, round(plain.width * scale)), max(1, round(plain.height * scale)))
    out = io.BytesIO()
    plain.resize(size, Image.Resampling.LANCZOS).save(out, "JPEG", quality=88, comment=b"sandbox")
    return out.getvalue()


def video(photo: bytes, *, odd: bool = False) -> bytes:
    """An MP4 that comes slowly closer. odd: of odd sides and in a codec that phones do not play."""
    with Image.open(io.BytesIO(photo)) as image:
        small = image.convert("RGB")
    small.thumbnail((VIDEO_SIDE, VIDEO_SIDE))
    width, height = (side - side % 2 - (1 if odd else 0) for side in small.size)
    frames = VIDEO_SECONDS * FRAMES_PER_SECOND
    zoom = (
        f"zoompan=z='1+0.1*on/{frames}':x='iw/2-(iw/zoom/2)':y='ih/2-(ih/zoom/2)'"
        f":d={frames}:s={width}x{height}:fps={FRAMES_PER_SECOND}"
    )
    codec = ("mpeg4", "-q:v", "5") if odd else ("libx264", "-preset", "ultrafast")
    pixels = "yuv420p" if odd else "yuv444p" if width % 2 or height % 2 else "yuv420p"
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "photo.png", Path(folder) / "video.mp4"
        small.save(source)
        subprocess.run(  # noqa: S603 - a program of our packages, no shell
            [_ffmpeg(), "-y", "-loglevel", "error", "-i", str(source), "-vf", zoom]
            + ["-c:v", *codec, "-pix_fmt", pixels, "-threads", "1"]
            + ["-metadata", "comment=sandbox", str(target)],
            check=True,
            timeout=MAKE_SECONDS,
        )
        return target.read_bytes()


@cache
def _ffmpeg() -> str:
    return str(imageio_ffmpeg.get_ffmpeg_exe())
