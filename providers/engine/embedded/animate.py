"""The service `animate`: a photo becomes a four-second loop in which people live."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from providers.engine.embedded import damage, enlarge, photo
from providers.engine.embedded.expression import Expression
from providers.engine.embedded.faces import Face, find_faces, person_mask
from providers.engine.embedded.fields import Offsets, Pixels
from providers.engine.embedded.motion import Motion
from providers.engine.embedded.timeline import FRAMES, FRAMES_PER_SECOND, pose_at
from providers.engine.embedded.video import VideoWriter

LONG_SIDE = 960  # pixels of the video
MAX_ENLARGEMENT = 2.0
MAX_FACES = 4

# A photo that is enlarged by more than this is enlarged by the network: for crisp eyes, and with
# its weaker removal of noise, as JPEG blocks that move with a face are seen.
_VISIBLE_ENLARGEMENT = 1.2
_NOISE_LEVEL = 1
_PASTED_MARGIN = 0.12  # of the face box's width: how far a head may move its expression


def count_faces(source: Path) -> int:
    """How many faces animate() would find if nothing had to be mended. Raises EngineError."""
    photograph = photo.read(source, long_side=LONG_SIDE)
    return len(find_faces(_resized(photograph, _video_size(photograph)), at_most=MAX_FACES))


def animate(
    source: Path, target: Path, *, ffmpeg: str, progress: Callable[[int], None]
) -> dict[str, Any]:
    """Write an MP4 of `source` to `target`; returns facts about it. Raises EngineError."""
    photograph = photo.read(source, long_side=LONG_SIDE)
    progress(5)
    # Unrepaired scratches would bend with the face.
    mending = damage.repair(photograph)
    progress(8)
    picture = _video_sized(mending.picture, progress=lambda share: progress(8 + int(6 * share)))
    faces = find_faces(picture, at_most=MAX_FACES)
    progress(15)
    _film(picture, faces, target, ffmpeg=ffmpeg, progress=progress)
    height, width = picture.shape[:2]
    return {
        "faces": len(faces),
        "width": width,
        "height": height,
        "frames": FRAMES,
        "durationSeconds": FRAMES / FRAMES_PER_SECOND,
        "mendedPercent": mending.percent,
        "damageLeft": mending.damage_left,
    }


def _video_sized(picture: Pixels, *, progress: Callable[[float], None]) -> Pixels:
    """The picture in the size of the video. progress: share of the enlargement, 0..1."""
    size = _video_size(picture)
    if size[0] > _VISIBLE_ENLARGEMENT * picture.shape[1]:
        picture = enlarge.double(picture, noise_level=_NOISE_LEVEL, progress=progress)
    return _resized(picture, size)


def _video_size(picture: Pixels) -> tuple[int, int]:
    """Width and height, both even: enlarged towards LONG_SIDE, at most MAX_ENLARGEMENT times."""
    height, width = picture.shape[:2]
    scale = min(MAX_ENLARGEMENT, LONG_SIDE / max(height, width))
    return int(width * scale) // 2 * 2, int(height * scale) // 2 * 2


def _resized(picture: Pixels, size: tuple[int, int]) -> Pixels:
    way = cv2.INTER_CUBIC if size[0] > picture.shape[1] else cv2.INTER_AREA
    return np.asarray(cv2.resize(picture, size, interpolation=way))


def _film(
    picture: Pixels,
    faces: list[Face],
    target: Path,
    *,
    ffmpeg: str,
    progress: Callable[[int], None],
) -> None:
    motion = Motion(picture, faces, person_mask(picture))
    expressions = [Expression(face, image=picture) for face in faces]
    height, width = picture.shape[:2]
    with VideoWriter(
        target, ffmpeg=ffmpeg, width=width, height=height, frames_per_second=FRAMES_PER_SECOND
    ) as video:
        for number in range(FRAMES):
            seconds = number / FRAMES_PER_SECOND
            source = motion.source_map(seconds)
            for person, expression in enumerate(expressions):
                _add_expression(source, expression, expression.offsets(pose_at(seconds, person)))
            # One resampling for all motions together keeps the picture sharp.
            video.write(
                cv2.remap(picture, source, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
            )
            progress(15 + 80 * (number + 1) // FRAMES)


def _add_expression(source: Offsets, expression: Expression, offsets: Offsets) -> None:
    """Move the face's warp, known for the head at rest, to where the head is now."""
    height, width = source.shape[:2]
    left, top, right, bottom = expression.box
    margin = int(_PASTED_MARGIN * (right - left))
    part = source[
        max(0, top - margin) : min(height, bottom + margin),
        max(0, left - margin) : min(width, right + margin),
    ]
    at = part - np.array([left, top], np.float32)
    part += cv2.remap(
        offsets, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0
    )
