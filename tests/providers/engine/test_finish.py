"""What comes from another engine leaves as Telegram plays it, or not at all."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Literal

import imageio_ffmpeg
import pytest
from PIL import Image

from local.sandbox.engines import outputs
from providers.engine import EngineError, Result
from providers.engine.embedded import EmbeddedEngine, finish

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


@pytest.fixture(scope="session")
def portrait(samples: Path) -> bytes:
    return (samples / "portrait.jpg").read_bytes()


def finished(content: bytes, folder: Path, media: Literal["video", "image"] = "video") -> Result:
    source = folder / "source"
    source.write_bytes(content)
    return EmbeddedEngine().finish(source, media, workdir=folder)


def frames(path: Path) -> bytes:
    """Every pixel of a video, as a checksum."""
    return subprocess.run(
        [FFMPEG, "-loglevel", "error", "-i", str(path), "-map", "0:v", "-f", "md5", "-"],
        capture_output=True,
        check=True,
    ).stdout


def starts_at_once(path: Path) -> bool:
    content = path.read_bytes()
    return content.index(b"moov") < content.index(b"mdat")


def test_a_good_video_keeps_its_pixels_and_starts_at_once(portrait: bytes, tmp_path: Path) -> None:
    video = outputs.video(portrait)
    assert video.index(b"moov") > video.index(b"mdat"), "the sandbox writes it as most models do"
    result = finished(video, tmp_path)
    assert starts_at_once(result.path)
    assert frames(result.path) == frames(tmp_path / "source")
    assert b"sandbox" in video and b"sandbox" not in result.path.read_bytes()
    found = finish.probe(result.path, FFMPEG)
    assert found.plays_everywhere
    assert (result.meta["width"], result.meta["height"]) == (found.width, found.height)
    assert result.meta["durationSeconds"] == pytest.approx(2, abs=0.1)
    assert result.meta["bytes"] == result.path.stat().st_size
    assert result.meta["encoded"] is False


def test_a_video_that_phones_do_not_play_is_encoded_anew(portrait: bytes, tmp_path: Path) -> None:
    result = finished(outputs.video(portrait, odd=True), tmp_path)
    before = finish.probe(tmp_path / "source", FFMPEG)
    assert not before.plays_everywhere
    after = finish.probe(result.path, FFMPEG)
    assert (after.codec, after.pixels) == ("h264", "yuv420p")
    assert after.width % 2 == 0 and after.height % 2 == 0
    assert result.meta["encoded"] is True and starts_at_once(result.path)


@pytest.mark.parametrize(
    "options",
    [
        ("-c:v", "libx264", "-pix_fmt", "yuv444p", "-f", "mp4"),
        ("-c:v", "libvpx", "-f", "webm"),
        ("-c:v", "libx265", "-f", "matroska"),
        ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-vf", "scale=2600:1000", "-f", "mp4"),
    ],
)
def test_other_codecs_colours_and_sizes_are_too(tmp_path: Path, options: tuple[str, ...]) -> None:
    made = tmp_path / "made"
    subprocess.run(
        [FFMPEG, "-loglevel", "error", "-f", "lavfi", "-i", "testsrc=s=320x240:d=1:r=5"]
        + ["-f", "lavfi", "-i", "sine=d=1", *options, str(made)],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    result = finished(made.read_bytes(), tmp_path)
    assert finish.probe(result.path, FFMPEG).plays_everywhere
    said = subprocess.run([FFMPEG, "-i", str(result.path)], capture_output=True, check=False).stderr
    assert b"Audio: aac" in said, "its sound is kept"


def test_a_video_too_large_to_be_sent_is_made_smaller(
    portrait: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish, "MAX_VIDEO_BYTES", 60_000)
    source, target = tmp_path / "source", tmp_path / "target"
    subprocess.run(
        [FFMPEG, "-loglevel", "error", "-f", "lavfi", "-i", "mandelbrot=s=320x240:r=10"]
        + [
            "-t",
            "3",
            "-c:v",
            "libx264",
            "-qp",
            "5",
            "-pix_fmt",
            "yuv420p",
            "-f",
            "mp4",
            str(source),
        ],
        check=True,
    )
    assert source.stat().st_size > 200_000
    facts = finish.finish_video(source, target, ffmpeg=FFMPEG, progress=lambda percent: None)
    assert facts["encoded"] and target.stat().st_size <= 60_000


def test_a_picture_becomes_a_jpeg_without_metadata(samples: Path, tmp_path: Path) -> None:
    for name in ("portrait_rgba.png", "exif_rotated_gps.jpg", "portrait.webp"):
        result = finished((samples / name).read_bytes(), tmp_path, "image")
        with Image.open(result.path) as image:
            assert (image.format, image.size) == (
                "JPEG",
                (result.meta["width"], result.meta["height"]),
            )
            assert "exif" not in image.info


def test_what_is_broken_is_noticed_before_anybody_gets_it(portrait: bytes, tmp_path: Path) -> None:
    video = outputs.video(portrait)
    fast = finished(video, tmp_path).path.read_bytes()
    broken: list[tuple[bytes, Literal["video", "image"]]] = [
        (video[: len(video) // 2], "video"),  # its index was at its end
        (fast[: len(fast) * 2 // 3], "video"),  # the index is there, the last frames are not
        (b"<html>sign in</html>", "video"),
        (b"", "video"),
        (portrait[: len(portrait) // 2], "image"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "video"),
    ]
    for content, media in broken:
        with pytest.raises(EngineError) as failed:
            finished(content, tmp_path, media)
        assert failed.value.code == "engine_crashed"
