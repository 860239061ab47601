"""The demo's results: downloaded by signed links, and checked."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import cv2
from PIL import Image

from local.demo import OLD_PHOTO
from local.demo.bot import Bot, insist, say


def download(bot: Bot, job_id: str, target: Path) -> None:
    """Download a result by its signed link, which needs no key."""
    job = bot.get(f"/jobs/{job_id}").json()
    answer = bot.send("GET", job["resultUrl"], 200)
    target.write_bytes(answer.content)
    kind = answer.headers["Content-Type"]
    meaning = f"{kind}, {len(answer.content) // 1024} KB, saved as {target.name}"
    say("GET", urlsplit(job["resultUrl"]).path, answer.status_code, meaning)


def check_video(file: Path) -> None:
    """Check that the video plays: H.264, even sides, about four seconds, all frames present."""
    seconds = check_moves(file)
    insist(3.5 <= seconds <= 4.5, f"the video is not 4 seconds long: {seconds}")


def check_moves(file: Path) -> float:
    """Check that a video is H.264 with even sides; its seconds, by the frames that are there."""
    video = cv2.VideoCapture(str(file))
    code = int(video.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little").decode("ascii", "replace")
    rate = video.get(cv2.CAP_PROP_FPS)
    frames = 0
    while video.grab():
        frames += 1
    width = int(video.get(cv2.CAP_PROP_FRAME_WIDTH))
    height = int(video.get(cv2.CAP_PROP_FRAME_HEIGHT))
    video.release()
    facts = f"{code}, {width}x{height}, {frames} frames at {rate:g} a second"
    insist(code.lower() in ("avc1", "h264"), f"the video is not H.264: {facts}")
    insist(rate > 0 and frames > rate, f"the video does not last a second: {facts}")
    insist(width % 2 == height % 2 == 0 and width > 0, f"the video has odd sides: {facts}")
    say("CHECK", file.name, "ok", facts)
    return float(frames / rate)


def check_photo(file: Path) -> None:
    """Check that the photo is a JPEG larger than its source, without EXIF."""
    with Image.open(OLD_PHOTO) as source, Image.open(file) as photo:
        photo.load()
        facts = (
            f"{photo.format}, {source.width}x{source.height} became {photo.width}x{photo.height}"
        )
        insist(photo.format == "JPEG", f"the restored photo is not a JPEG: {facts}")
        insist(photo.width > source.width, f"the restored photo is not larger: {facts}")
        insist(not photo.getexif(), "the restored photo carries EXIF")
    say("CHECK", file.name, "ok", f"{facts}, no EXIF")
