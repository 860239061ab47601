"""The Content-Disposition of downloads, the same for every store."""

from __future__ import annotations


def content_disposition(content_type: str) -> str:
    """RFC 6266: media is shown, the rest is saved."""
    media = content_type.startswith(("image/", "video/", "audio/"))
    # SVG is a document with scripts.
    return "inline" if media and content_type != "image/svg+xml" else "attachment"
