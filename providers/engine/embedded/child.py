"""The process in which one job runs: `python -m providers.engine.embedded.child`.

Reads one JSON request from stdin and writes JSON lines to stdout: {"progress": 42}, then
{"result": {...}} or {"error": {"code": ..., "detail": ...}}. It does not trust the photo: it has
its own limits, no secrets in its environment, and dies with its parent.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from providers.engine import EngineError

_SPARE_MB = 512  # address space that is reserved but hardly ever touched: libraries, thread stacks
_MAX_FILE_BYTES = 256 * 1024 * 1024
_NICENESS = 5  # the web server on the same machine goes first
_THREADS = 2
_OPENCV_OUT_OF_MEMORY = -4  # cv::Error::StsNoMem


def main() -> None:
    """Do the job on stdin."""
    request: dict[str, Any] = json.loads(sys.stdin.readline())
    threading.Thread(target=_die_with_parent, daemon=True).start()
    confine(timeout_seconds=request["timeoutSeconds"], memory_mb=request["memoryMb"])
    if request["serviceType"] != "count_faces":  # half a second, for which somebody waits
        os.nice(_NICENESS)
    report = _Report()
    try:
        report.write(result=_work(request, report))
    except EngineError as error:
        report.write(error={"code": error.code, "detail": error.detail})
    except MemoryError:
        report.write(error={"code": "engine_memory", "detail": "an allocation was refused"})
    except Exception as error:  # the parent must learn of every failure; the log gets the trace
        traceback.print_exc()
        code = _code_of(error)
        report.write(error={"code": code, "detail": f"{type(error).__name__}: {error}"})


def confine(*, timeout_seconds: int, memory_mb: int) -> None:
    """Limit this process from inside: a second barrier behind the parent's, for the call that takes
    everything between two of its checks. Seconds of wall time, MiB.
    """
    _set_limit(resource.RLIMIT_CORE, 0)
    _set_limit(resource.RLIMIT_FSIZE, _MAX_FILE_BYTES)
    _set_limit(resource.RLIMIT_CPU, timeout_seconds * _THREADS + 1)
    _set_limit(resource.RLIMIT_DATA, (memory_mb + _SPARE_MB) * 1024 * 1024)


class _Report:
    """The channel to the parent. Nothing else may write to it: stdout now goes to stderr."""

    def __init__(self) -> None:
        self._pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._percent = -1

    def write(self, **message: Any) -> None:
        """Send one line."""
        self._pipe.write(json.dumps(message) + "\n")
        self._pipe.flush()

    def progress(self, percent: int) -> None:
        """Send a percentage once."""
        if percent > self._percent:
            self._percent = percent
            self.write(progress=percent)


def _work(request: dict[str, Any], report: _Report) -> dict[str, Any]:
    """Run the service; the imports are here because they need the limits already in force."""
    import cv2

    from providers.engine.embedded.animate import animate, count_faces
    from providers.engine.embedded.finish import finish_image, finish_video
    from providers.engine.embedded.prepare import prepare
    from providers.engine.embedded.restore import restore

    cv2.setNumThreads(_THREADS)
    source, target = Path(request["photo"]), Path(request["target"])
    service = request["serviceType"]
    if service == "count_faces":
        return {"faces": count_faces(source)}
    if video := {"animate": animate, "finish_video": finish_video}.get(service):
        return video(source, target, ffmpeg=request["ffmpeg"], progress=report.progress)
    images = {"restore": restore, "prepare": prepare, "finish_image": finish_image}
    return images[service](source, target, progress=report.progress)


def _die_with_parent() -> None:
    """Never outlive the worker: nothing would limit this job's time or memory any more.

    The worker keeps the other end of stdin open, silently, until the job is over, so end of file
    means the worker's end. Unlike Linux's parent-death signal this also ends a hung encoder, and
    does not depend on which thread of the worker started us.
    """
    # Not sys.stdin.read(): its lock, held at exit, would abort the interpreter.
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


def _set_limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (allowed, hard))


def _code_of(error: Exception) -> str:
    out_of_memory = getattr(error, "code", None) == _OPENCV_OUT_OF_MEMORY
    return "engine_memory" if out_of_memory else "engine_crashed"


if __name__ == "__main__":
    main()
