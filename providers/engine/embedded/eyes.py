"""One eye that can close, squint and look aside, as a warp of the pixels round it.

Works in the eye's own frame: u runs along the eye, v from brow to cheek, origin between the eye's
two corners. A closing lid is a piecewise-linear stretch of every column of that frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from providers.engine.embedded.fields import (
    Box,
    Offsets,
    Pixels,
    Plane,
    Points,
    pixel_grid,
    rotation,
    smoothstep,
)

_LASHES = 0.14  # of the eye's opening: this band under the lid's edge moves without stretching
_CREASE = 0.16  # of the opening: so does this band above it
_LOWER_LID_RISE = 0.13
_SQUINT_RISE = 0.10
_GAZE = 0.055  # of the eye's width
_TINY_OPENING = 0.10  # of the eye's width: closed, or too small for the landmarks to be trusted
# Dark skin above the lid, compared with the cheek, is the brow: a full blink would drag it over
# the eye. Ordinary photos have 0.7 to 1.06, the bad one 0.24.
_DARK_LID = 0.5
_DARK_LID_TRAVEL = 0.35


@dataclass(frozen=True)
class _Lids:
    """Heights (v) of an eye's parts above every pixel of its box, and where effects fade out."""

    v: Plane
    top: Plane  # under the brow: nothing above it moves
    upper: Plane
    lower: Plane
    bottom: Plane  # on the cheek: nothing below it moves
    side: Plane  # 1 along the eye, 0 a third of its width beyond the corners
    iris: Plane  # 1 in the middle of the open eye, 0 on its rim
    gap: Plane
    opening: float  # widest gap, pixels


class Eye:
    """An eye of a given picture; `box` is the part of the picture that it may warp."""

    def __init__(
        self, upper: Points, lower: Points, brow: Points, *, image: Pixels, within: Box
    ) -> None:
        """Takes the outlines of both lids and of the brow's lower edge, left to right, pixels."""
        across = upper[-1] - upper[0]
        self._width = float(np.linalg.norm(across))
        self._centre = (upper[0] + upper[-1]) / 2
        self._axes = rotation(float(np.arctan2(across[1], across[0])))
        outlines = [(outline - self._centre) @ self._axes.T for outline in (upper, lower, brow)]
        self.box = self._box(*outlines, within=within)
        local = (pixel_grid(*self.box) - self._centre) @ self._axes.T
        self._lids = _lids(local, *outlines, width=self._width)
        self._travel = self._lid_travel(image, upper[2:7], lower[2:7])

    def add_offsets(
        self, offsets: Offsets, *, origin: tuple[int, int], blink: float, squint: float, gaze: float
    ) -> None:
        """Add this eye's share to a backward warp whose corner lies at `origin` of the picture."""
        if not self._travel:
            return
        left, top, right, bottom = self.box
        x, y = origin
        part = offsets[top - y : bottom - y, left - x : right - x]
        if gaze:
            part -= self._lids.iris[..., None] * (self._axes[0] * (gaze * self._width * _GAZE))
        closure = self._travel * blink
        if closure + squint > 0.001:
            part += _lid_shift(self._lids, closure, squint)[..., None] * self._axes[1]

    def _box(self, upper: Points, lower: Points, brow: Points, *, within: Box) -> Box:
        reach = 0.65 * self._width
        top = min(float(brow[:, 1].min()), float(upper[:, 1].min()) - 0.1 * self._width)
        bottom = float(lower[:, 1].max()) + 0.45 * self._width
        corners = np.array([[-reach, top], [reach, top], [-reach, bottom], [reach, bottom]])
        in_picture = corners @ self._axes + self._centre
        low = np.floor(in_picture.min(axis=0))
        high = np.ceil(in_picture.max(axis=0)) + 1
        return (
            int(np.clip(low[0], within[0], within[2])),
            int(np.clip(low[1], within[1], within[3])),
            int(np.clip(high[0], within[0], within[2])),
            int(np.clip(high[1], within[1], within[3])),
        )

    def _lid_travel(self, image: Pixels, upper: Points, lower: Points) -> float:
        """How far the lid may close: 1, less where that would look wrong, 0 for no blink."""
        left, top, right, bottom = self.box
        if left == right or top == bottom or self._lids.opening < _TINY_OPENING * self._width:
            return 0.0
        down = self._axes[1] * self._width
        lid = _brightness(image, [upper - down * reach for reach in (0.10, 0.15, 0.20)])
        cheek = _brightness(image, [lower + down * reach for reach in (0.3, 0.4, 0.5)])
        return 1.0 if lid > _DARK_LID * cheek else _DARK_LID_TRAVEL


def _lids(local: Offsets, upper: Points, lower: Points, brow: Points, *, width: float) -> _Lids:
    """Smooth curves through the outlines, read above every pixel of `local` (u, v)."""
    u, v = local[..., 0], local[..., 1]
    half = width / 2
    inside = np.clip(u, -half, half)
    upper_lid = _curve(upper, inside)
    lower_lid = _curve(lower, inside)
    order = np.argsort(brow[:, 0])
    under_brow = np.interp(u, brow[order, 0], brow[order, 1]).astype(np.float32) + 0.04 * width
    side = smoothstep(1.0 - (np.abs(u) - 0.92 * half) / (0.35 * half))
    gap = np.maximum(lower_lid - upper_lid, 0.0)
    opening = float(gap.max(initial=0.0))
    soft = 0.25 * opening + 1e-3
    iris = (
        smoothstep((v - upper_lid) / soft)
        * smoothstep((lower_lid - v) / soft)
        * smoothstep(1.0 - np.abs(u) / half)
    )
    return _Lids(
        v=v,
        top=np.minimum(under_brow, upper_lid - 0.10 * width),
        upper=upper_lid,
        lower=lower_lid,
        bottom=lower_lid + 0.45 * width,
        side=side,
        iris=iris,
        gap=gap * side,
        opening=opening,
    )


def _curve(outline: Points, u: Plane) -> Plane:
    quartic = np.polyfit(outline[:, 0], outline[:, 1], 4)
    height: Plane = np.polyval(quartic, u).astype(np.float32)
    return height


def _lid_shift(lids: _Lids, closure: float, squint: float) -> Plane:
    """How far up or down, along v, each pixel must look for its colour."""
    rise = (_LOWER_LID_RISE * closure + _SQUINT_RISE * squint) * lids.gap
    lower = lids.lower - rise
    upper = lids.upper + closure * (lids.gap - rise) * 0.985
    crease = _CREASE * lids.opening
    lashes = _LASHES * lids.opening
    shut = np.maximum(lower - upper, 0.02 * lids.opening)
    came_from = [
        lids.top,
        lids.upper - crease,
        lids.upper,
        lids.upper + np.minimum(lashes, 0.45 * np.maximum(lids.gap, 1e-3)),
        lids.lower,
        lids.bottom,
    ]
    now_at = [
        lids.top,
        upper - crease,
        upper,
        upper + np.minimum(lashes, 0.45 * shut),
        lower,
        lids.bottom,
    ]
    return (_piecewise(lids.v, now_at, came_from) - lids.v) * lids.side


def _piecewise(value: Plane, knots: list[Plane], targets: list[Plane]) -> Plane:
    """Linear between knots that differ from pixel to pixel; outside them the value itself."""
    result = value.copy()
    segments = zip(knots, knots[1:], targets, targets[1:], strict=False)
    for start, end, from_start, from_end in segments:
        share = (value - start) / np.maximum(end - start, 1e-3)
        mapped = from_start + share * (from_end - from_start)
        result = np.where((value >= start) & (value < end), mapped, result)
    return result


def _brightness(image: Pixels, points: list[Points]) -> float:
    height, width = image.shape[:2]
    at = np.clip(np.concatenate(points).astype(int), 0, (width - 1, height - 1))
    low, high = at.min(axis=0), at.max(axis=0) + 1
    patch = image[low[1] : high[1], low[0] : high[0]]
    grey = cv2.GaussianBlur(cv2.cvtColor(patch, cv2.COLOR_BGR2GRAY), (0, 0), 1.5)
    return float(grey[at[:, 1] - low[1], at[:, 0] - low[0]].mean())
