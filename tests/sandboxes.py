"""Sandboxes in this process, each on a port of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from wsgiref.types import WSGIApplication

from werkzeug.serving import make_server

from local.sandbox import Sandbox


@contextmanager
def served(sandbox: Sandbox, behind: WSGIApplication | None = None) -> Iterator[str]:
    """Its URL, or that of what it stands behind.

    At the end it takes no calls and begins no delivery; one under way ends by itself.
    """
    server = make_server("127.0.0.1", 0, behind or sandbox, threaded=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        sandbox.close()  # last: a call could otherwise set a webhook again


def is_video(content: bytes) -> bool:
    """Whether these bytes begin as a video does."""
    return content[4:8] == b"ftyp"
