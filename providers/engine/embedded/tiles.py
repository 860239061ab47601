"""How a long side is cut into tiles for a network: as few as possible, all of one size."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tiles:
    """Where tiles of `size` pixels start along one side, in order."""

    size: int
    starts: tuple[int, ...]


def cut(length: int, *, at_most: int, overlap: int = 0, multiple: int = 1) -> Tiles:
    """Tiles of `at_most` pixels or fewer over `length`, neighbours sharing `overlap` or more.

    size and starts are multiples of `multiple`, and so must be at_most, overlap and, where it is
    more than one, length. Without overlap the last tile may end a few pixels beyond the end.
    """
    count = max(1, -(-(length - overlap) // (at_most - overlap)))
    size = -(-(length + (count - 1) * overlap) // count)
    size = -(-size // multiple) * multiple
    last = max(0, length - size) if overlap else (count - 1) * size
    return Tiles(size, tuple(min(number * (size - overlap), last) for number in range(count)))
