"""Which files are accepted: sizes and types, judged by content and never by name."""

from __future__ import annotations

from typing import Any, BinaryIO

import filetype

import images
from errors import ApiError

MIB = 1024 * 1024
UPLOAD_LIMITS = {  # bytes
    "image": images.MAX_FILE_BYTES,
    "video": 256 * MIB,
    "audio": 50 * MIB,
    "text": MIB,
}

# What filetype finds in the first bytes -> what is stored. Formats that decoders rarely open, or
# that can carry scripts (SVG, HTML, PDF), are not on the list.
ACCEPTED: dict[str, frozenset[str]] = {
    "image": frozenset(images.FORMATS),
    "video": frozenset({"video/mp4", "video/webm", "video/quicktime", "video/x-m4v"}),
    "audio": frozenset(
        {"audio/mpeg", "audio/ogg", "audio/x-wav", "audio/mp4", "audio/aac", "audio/x-flac"}
    ),
    "text": frozenset({"text/plain"}),
}
# Names clients use for the same formats.
SYNONYMS = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/apng": "image/png",
    "image/heic-sequence": "image/heic",
    "image/heif-sequence": "image/heif",
    "audio/mp3": "audio/mpeg",
    "audio/wav": "audio/x-wav",
    "audio/wave": "audio/x-wav",
    "audio/flac": "audio/x-flac",
    "audio/m4a": "audio/mp4",
    "audio/x-m4a": "audio/mp4",
}
# Of a program that does not know: confirm finds the type in the content.
UNDECLARED = "application/octet-stream"
SNIFF_BYTES = 8192
# Below it a face is a few dozen pixels wide: it can be animated, but nobody will recognise it.
GOOD_SIDE = 300
NO_FACES_TEXT = "Лиц на фотографии не видно: если её оживить, двигаться будет только камера."
SMALL_TEXT = (
    "Фотография маленькая, результат может получиться нечётким. "
    "Если есть снимок крупнее, лучше пришлите его файлом."
)
HEAD_BYTES = images.HEAD_BYTES  # of a file, all that identified() needs


def declared(data_type: str, content_type: str) -> str:
    """The content type a client declares, in its usual spelling; UNDECLARED fits everything.

    ApiError `unsupported_media_type` when it does not belong to `data_type`.
    """
    plain = content_type.split(";", 1)[0].strip().lower()
    plain = SYNONYMS.get(plain, plain)
    if plain not in ACCEPTED[data_type] and plain != UNDECLARED:
        raise _unsupported(data_type, "contentType")
    return plain


def identified(data_type: str, file: BinaryIO, *, size: int) -> images.Header:
    """What a seekable file of `size` bytes is, by the content.

    `file` may hold only the first HEAD_BYTES. ApiError `unsupported_media_type` when it is not one
    accepted for `data_type`, or a picture that surely cannot be processed; `payload_too_large` for
    one with too many pixels.
    """
    if data_type != "image":
        return images.Header(_sniffed(data_type, file.read(SNIFF_BYTES)), size=None)
    try:
        return images.inspect(file, size=size)
    except images.ImageRefused as refused:
        raise _unusable(refused) from refused


def warnings(width: int, height: int, faces: int | None) -> list[dict[str, str]]:
    """What the customer should know of a photo before paying; empty if nothing. faces: None if
    nobody has looked.
    """
    found = [("small", SMALL_TEXT)] if min(width, height) < GOOD_SIDE else []
    found += [("no_faces", NO_FACES_TEXT)] if faces == 0 else []
    return [{"code": code, "message": text} for code, text in found]


def _sniffed(data_type: str, head: bytes) -> str:
    """What the first SNIFF_BYTES show. ApiError `unsupported_media_type`."""
    if data_type == "text":
        if not _is_text(head):
            raise _unsupported(data_type, "file")
        return "text/plain"
    found = filetype.guess(head)
    plain = SYNONYMS.get(found.mime, found.mime) if found else ""
    if plain not in ACCEPTED[data_type]:
        raise _unsupported(data_type, "file")
    return plain


def check_size(data_type: str, size: int) -> None:
    """ApiError `payload_too_large`, or `bad_request` for an empty file; sizes in bytes.

    A form has been refused before by the same limits (web/forms.py).
    """
    if size == 0:
        raise ApiError("bad_request", "The file is empty", details={"file": "is empty"})
    if size > UPLOAD_LIMITS[data_type]:
        raise ApiError("payload_too_large", details={"maxBytes": UPLOAD_LIMITS[data_type]})


def check_stored_size(data_type: str, size: int) -> None:
    """ApiError `upload_mismatch` for what the upload form should have refused; size in bytes."""
    if not 0 < size <= UPLOAD_LIMITS[data_type]:
        raise ApiError("upload_mismatch", details={"maxBytes": UPLOAD_LIMITS[data_type]})


def _unsupported(data_type: str, field: str) -> ApiError:
    return ApiError("unsupported_media_type", details=_not_supported(data_type, field))


def _not_supported(data_type: str, field: str) -> dict[str, Any]:
    return {
        field: f"is not a supported {data_type}",
        "supported": sorted(ACCEPTED[data_type]),
    }


def _unusable(refused: images.ImageRefused) -> ApiError:
    """What a job would end with, said before anyone orders: the same code, the same sentence."""
    too_large = refused.code in ("file_too_large", "image_too_large")
    details: dict[str, Any] = {
        "file": refused.reason,
        "code": refused.code,
        "message": images.REFUSALS[refused.code],
    }
    if refused.code in ("not_an_image", "image_format_unsupported"):
        details |= _not_supported("image", "file")
    code = "payload_too_large" if too_large else "unsupported_media_type"
    return ApiError(code, details=details, user_message=images.REFUSALS[refused.code])


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        # The head may end in the middle of a character.
        return error.start >= len(head) - 3 and len(head) == SNIFF_BYTES
    return True
