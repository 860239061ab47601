"""The file servers of the simulated engines: results as they are, or with something wrong."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, abort, redirect, request

from local.sandbox.engines import outputs
from local.sandbox.engines.runs import Run

HUGE_BYTES = 1024**3
METADATA_SERVICE = "http://169.254.169.254/latest/meta-data/"
FOREIGN = "https://files.example.com"
_BLOCK = b"\0" * 65536
_TYPES = {"video": "video/mp4", "image": "image/jpeg"}


def address(run: Run, own: str) -> str:
    """Where a result is said to be; `own`: where this sandbox serves it."""
    return f"{FOREIGN}/{run.id}" if run.script.file == "foreign" else own


def serve(run: Run, media: str) -> Response:
    """The answer to a GET of a run's result."""
    kind = run.script.file
    if kind == "expired":
        abort(404)
    if kind == "html":
        return Response("<html><body>Sign in</body></html>", mimetype="text/html")
    if kind == "empty":
        return Response(b"", mimetype=_TYPES[media])
    if kind in ("huge", "endless"):
        return _endless(media, length=HUGE_BYTES if kind == "huge" else None)
    if kind == "away":
        return redirect(METADATA_SERVICE)  # type: ignore[return-value]
    if kind == "redirect" and "hop" not in request.args:
        mark = "&" if request.query_string else "?"
        return redirect(f"{request.url}{mark}hop=1")  # type: ignore[return-value]
    whole = result(run, media)
    if kind == "broken":
        return _broken(whole, media)
    sent = whole[: len(whole) // 2] if kind == "cut" else whole
    return Response(
        sent, mimetype="application/octet-stream" if kind == "untyped" else _TYPES[media]
    )


def result(run: Run, media: str) -> bytes:
    """The bytes of a good result, made once."""
    if run.made is None:
        shown = {"video": "image", "image": "video"}[media] if run.script.file == "wrong" else media
        photo = run.photo or outputs.blank()
        odd = run.script.file == "odd"
        run.made = outputs.video(photo, odd=odd) if shown == "video" else outputs.picture(photo)
    return run.made


def _endless(media: str, length: int | None) -> Response:
    def blocks() -> Iterator[bytes]:
        sent = 0
        while length is None or sent < length:
            sent += len(_BLOCK)
            yield _BLOCK

    answer = Response(blocks(), mimetype=_TYPES[media])
    if length is not None:
        answer.content_length = length
    return answer


def _broken(whole: bytes, media: str) -> Response:
    answer = Response(iter([whole[: len(whole) // 2]]), mimetype=_TYPES[media])
    answer.content_length = len(whole)
    return answer
