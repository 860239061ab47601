"""Whatever happens to a photo's file on its way: a picture or a refusal, never a crash.

TEST_FUZZ_EXAMPLES=1000000 runs for minutes.
"""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

import images
from images import HEAD_BYTES, ImageRefused
from providers.engine import EngineError
from providers.engine.embedded import photo
from tests.cards import (
    ORIENTATION,
    TEN_BIT_HEIC,
    card,
    chunk,
    in_mode,
    png_chunks,
    saved,
    srgb,
)

EXAMPLES = int(os.environ.get("TEST_FUZZ_EXAMPLES", "500"))
SIDE = 90  # pixels of the results


def _photos() -> dict[str, bytes]:
    """Small real files of each kind, with all that decoders look at."""
    exif = Image.Exif()
    exif[ORIENTATION], exif[0x010F], exif[0x011A] = 6, "maker", 72.0
    words = PngImagePlugin.PngInfo()
    words.add_itxt("XML:com.adobe.xmp", "<tiff:Orientation>6</tiff:Orientation>", zip=True)
    words.add_text("Raw profile type exif", f"\nexif\n 9\n{exif.tobytes().hex()}\n", zip=True)
    metadata: dict[str, Any] = {"exif": exif, "icc_profile": srgb()}
    moving: dict[str, Any] = {"save_all": True, "append_images": [card(3)], "duration": 50}
    small = card(size=(66, 88))
    return {
        "JPEG": saved("JPEG", small, quality=50, comment=b"words", **metadata),
        "progressive JPEG": saved("JPEG", small, quality=50, progressive=True, exif=exif),
        "JPEG with restarts": saved("JPEG", small.convert("L"), restart_marker_blocks=4),
        "JPEG of a print": saved("JPEG", small.convert("CMYK"), quality=50),
        "two JPEGs": saved("MPO", small, save_all=True, append_images=[small]),
        "PNG": saved("PNG", small, pnginfo=words, **metadata),
        "PNG that moves": saved("PNG", **moving),
        **{
            f"PNG, {mode}": saved("PNG", in_mode(small, mode))
            for mode in ("1", "L", "LA", "P", "RGBA", "I;16")
        },
        "PNG, clear palette": saved("PNG", in_mode(small, "P"), transparency=b"\0\x80" * 9),
        "WebP": saved("WEBP", small),
        "WebP with metadata": saved("WEBP", small.convert("RGBA"), **metadata),
        "lossless WebP": saved("WEBP", small, lossless=True),
        "WebP that moves": saved("WEBP", **moving),
        "AVIF": saved("AVIF", small.convert("RGBA"), **metadata),
        "AVIF that moves": saved("AVIF", **moving),
        "HEIC": TEN_BIT_HEIC,
    }


PHOTOS = _photos()


@pytest.mark.parametrize("name", PHOTOS)
def test_the_files_are_good_before_anything_happens_to_them(tmp_path: Path, name: str) -> None:
    path = tmp_path / "photo"
    path.write_bytes(PHOTOS[name])
    assert photo.read(path, long_side=SIDE).ndim == 3


def places(content: bytes) -> st.SearchStrategy[int]:
    """Headers are where most can go wrong."""
    last = max(0, len(content) - 1)
    return st.integers(0, min(last, 60)) | st.integers(0, min(last, 700)) | st.integers(0, last)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A file with bytes changed, inserted, lost, or parts of it in another order."""
    content = PHOTOS[draw(st.sampled_from(sorted(PHOTOS)))]
    for _ in range(draw(st.integers(1, 3))):
        spots = sorted(draw(st.lists(places(content), min_size=4, max_size=4)))
        a, b, c, d = spots
        content = draw(
            st.sampled_from(
                [
                    content[:a] + draw(st.binary(max_size=8)) + content[a:],
                    _overwritten(content, a, draw(st.binary(min_size=1, max_size=4))),
                    _overwritten(content, b, draw(st.sampled_from(EDGES))),
                    content[:d],
                    content[:a] + content[b:],
                    content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:],
                    content[:c] + content[a:b] + content[c:],
                ]
            )
        )
    return _checksums_made_right(content) if draw(st.booleans()) else content


EDGES = [struct.pack(">I", n) for n in (0, 1, 7, 2**15, 2**31 - 1, 2**31, 2**32 - 1)] + [b"\xff"]


def _overwritten(content: bytes, place: int, more: bytes) -> bytes:
    return content[:place] + more + content[place + len(more) :]


def _checksums_made_right(content: bytes) -> bytes:
    """So that a change in a PNG gets past its first barrier."""
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        return content
    try:
        return content[:8] + b"".join(chunk(*each) for each in png_chunks(content))
    except struct.error:
        return content


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=damaged())
def test_a_damaged_file_is_a_picture_or_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(content)
    outcome: str | None = None
    try:
        pixels = photo.read(path, long_side=SIDE)
        assert pixels.ndim == 3 and max(pixels.shape) <= SIDE
    except EngineError as refused:
        outcome = refused.code
        assert outcome in images.REFUSALS
    # What is refused at the door is refused by the engine, for the same reason.
    try:
        images.inspect(io.BytesIO(content[:HEAD_BYTES]), size=len(content))
    except ImageRefused as refused:
        assert refused.code == outcome
