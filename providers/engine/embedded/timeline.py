"""What a living face does in four seconds. Every motion is a whole number of periods or returns to
rest, so that the last frame meets the first: Telegram plays a video without sound in a loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, radians, sin

from providers.engine.embedded.fields import smoothstep

SECONDS = 4.0
FRAMES_PER_SECOND = 25
FRAMES = round(SECONDS * FRAMES_PER_SECOND)

_TURN = 2 * pi / SECONDS
_YAW, _PITCH, _ROLL, _NOD = radians(5.5), radians(2.6), radians(1.7), radians(1.2)
_HEAD_PHASE = 1.3  # radians between two people, who must not move in step
_BLINK_DELAY = 0.22  # seconds between two people's blinks


@dataclass(frozen=True)
class Pose:
    """One person at one moment: angles in radians, the rest 0..1 unless said."""

    yaw: float
    pitch: float
    roll: float
    breath: float  # -1..1
    blink: float
    smile: float
    brows: float
    gaze: float  # -1..1, sideways
    squint: float


@dataclass(frozen=True)
class Camera:
    """dolly: 0 at rest, 2 nearest; pan: -1..1."""

    dolly: float
    pan: float


def pose_at(seconds: float, person: int) -> Pose:
    """Where person number `person` (0 first) has got to."""
    phase = _HEAD_PHASE * person
    turn = _TURN * seconds
    smile = 0.85 * _held(seconds, 1.1, 1.9, 3.0, 3.85)
    return Pose(
        yaw=_YAW * sin(turn + phase),
        pitch=_PITCH * sin(2 * turn + 0.9 + phase) - _NOD * _held(seconds, 1.3, 2.1, 3.0, 3.8),
        roll=_ROLL * sin(turn + 0.6 + phase),
        breath=breath_at(seconds),
        blink=max(
            _blink(seconds, 0.75 + _BLINK_DELAY * person, 0.34),
            _blink(seconds, 2.75 + 0.7 * _BLINK_DELAY * person, 0.32),
        ),
        smile=smile,
        brows=0.7 * _held(seconds, 0.95, 1.35, 1.8, 2.5),
        gaze=0.9 * _held(seconds, 0.15, 0.35, 0.7, 0.95)
        - 0.8 * _held(seconds, 2.2, 2.35, 2.65, 2.9),
        squint=0.6 * smile,
    )


def breath_at(seconds: float) -> float:
    """Chest height, -1..1, one breath every two seconds."""
    return sin(2 * _TURN * seconds)


def camera_at(seconds: float) -> Camera:
    """A slow dolly in and out with a sideways drift."""
    return Camera(dolly=1.0 - cos(_TURN * seconds), pan=sin(_TURN * seconds))


def _held(seconds: float, start: float, full: float, ease: float, end: float) -> float:
    """Rises from `start` to `full`, stays, falls from `ease` to `end`."""
    rise = smoothstep((seconds - start) / (full - start))
    fall = smoothstep((seconds - ease) / (end - ease))
    return float(rise * (1.0 - fall))


def _blink(seconds: float, start: float, length: float) -> float:
    """Lids close fast, rest shut for an instant and open more slowly."""
    done = (seconds - start) / length
    if done <= 0.0 or done >= 1.0:
        return 0.0
    if done < 0.38:
        return float(smoothstep(done / 0.38))
    return 1.0 if done < 0.5 else float(1.0 - smoothstep((done - 0.5) / 0.5))
