"""Outlines of the page's icons, 24 by 24, drawn for it."""

from __future__ import annotations

ICONS = {
    "add": "M12 5v14M5 12h14",
    "attach": "M20 11.5 12.4 19a5 5 0 0 1-7-7l8-8a3.4 3.4 0 0 1 4.8 4.8l-8 8a1.7 1.7 0 0 1-2.4-2.5"
    "l7.2-7.1",
    "beside": "M4 5h16v14H4zM12 5v14",
    "close": "M6 6l12 12M18 6 6 18",
    "down": "M6 9.5l6 6 6-6",
    "file": "M7 3h7l4 4v14H7zM14 3v4h4",
    "lock": "M6 6l12 12M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z",
    "menu": "M5 7h14M5 12h14M5 17h9",
    "out": "M8 16 18 6M10 6h8v8",
    "people": "M4 6h16M4 12h16M4 18h16",
    "play": "M8 5v14l11-7z",
    "read": "M2.5 12.5l4 4 8-9M10.5 16l.6.6 8.4-9.1",
    "send": "M4 12l16-8-5 17-4-7zM20 4 11 14",
    "theme": "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
    "unlock": "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM8 12l3 3 5-6",
}
