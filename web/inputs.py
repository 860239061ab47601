"""What validation has read from a request: handed on to the function of its operation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, BinaryIO

INPUTS = "livephoto.inputs"


@dataclass(slots=True)
class Inputs:
    """Kept in the ASGI scope under INPUTS.

    arguments: by their names in Python. raw_body: the bytes of a JSON body. files: temporary ones.
    """

    arguments: dict[str, Any]
    raw_body: bytes = b""
    files: list[BinaryIO] = field(default_factory=list)

    def close(self) -> None:
        """Delete the temporary files, if there are any; may be called again."""
        for file in self.files:
            file.close()
