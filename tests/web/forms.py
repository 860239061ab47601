"""Forms as clients send them, good and bad ones."""

from __future__ import annotations

PNG = b"\x89PNG\r\n\x1a\n\xff\x00 photo"
TYPE = ("type", None, b"image")
FILE = ("file", b"a.png", PNG)


def form(*parts: tuple[str, bytes | None, bytes], boundary: bytes = b"BB") -> bytes:
    out = b""
    for name, filename, content in parts:
        out += b'--%s\r\nContent-Disposition: form-data; name="%s"' % (boundary, name.encode())
        if filename is not None:
            out += b'; filename="%s"\r\nContent-Type: image/png' % filename
        out += b"\r\n\r\n%s\r\n" % content
    return out + b"--%s--\r\n" % boundary


# name: (the form, what `details` must name).
BAD_FORMS: dict[str, tuple[bytes, str]] = {
    "no file": (form(TYPE), "file"),
    "no type": (form(FILE), "type"),
    "empty": (form(), "file"),
    "no body": (b"", "body"),
    "garbage": (b"garbage", "body"),
    "a text as file": (form(TYPE, ("file", None, b"text")), "file"),
    "a file as type": (form(("type", b"t", b"image"), FILE), "type"),
    "unknown type": (form(("type", None, b"zzz"), FILE), "type"),
    "type not UTF-8": (form(("type", None, b"\xff"), FILE), "type"),
    "NUL in type": (form(("type", None, b"image\0"), FILE), "type"),
    "two files": (form(TYPE, FILE, FILE), "file"),
    "two types": (form(TYPE, TYPE, FILE), "type"),
    "unknown text": (form(TYPE, FILE, ("zz", None, b"1")), "zz"),
    "unknown file": (form(TYPE, FILE, ("zz", b"z.png", b"1")), "zz"),
    "unknown name not UTF-8": (form(TYPE, FILE, ("sp ace \xff", None, b"1")), "body"),
    "file name not UTF-8": (form(TYPE, ("file", b"\xff.png", b"x")), "file"),
    "cut short": (form(TYPE, FILE)[:-20], "file"),
    "LF, cut short": (form(TYPE, FILE)[:-20].replace(b"\r\n", b"\n"), "file"),
    "LF, no end of headers": (b"--BB\n" + b"a: b\n" * 9, "body"),
    "endless preamble": (b"hello\r\n" * 100_000 + form(TYPE, FILE), "body"),
    "other boundary": (form(TYPE, FILE, boundary=b"other"), "body"),
    "part without a name": (
        b"--BB\r\nContent-Disposition: form-data\r\n\r\nx\r\n--BB--\r\n",
        "body",
    ),
}
