"""The Content-Disposition of downloads, the same for every store."""

from __future__ import annotations

import re
from urllib.parse import quote

MAX_NAME = 150  # characters; file systems take 255 bytes

# Path separators, what Windows forbids, quotes and separators of the header, control characters.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f"%*/:;<>?\\|]')


def content_disposition(content_type: str, filename: str | None) -> str:
    """RFC 6266: media is shown, the rest is saved, under a name that cannot harm a file system."""
    media = content_type.startswith(("image/", "video/", "audio/"))
    # SVG is a document with scripts.
    kind = "inline" if media and content_type != "image/svg+xml" else "attachment"
    if filename is None:
        return kind
    whole = filename.encode("utf-8", "replace").decode("utf-8")  # lone surrogates
    name = _UNSAFE.sub("_", whole)[-MAX_NAME:].strip(". ") or "file"
    plain = re.sub(r"[^\x20-\x7e]", "_", name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
