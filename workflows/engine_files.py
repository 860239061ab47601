"""Files of attempts at providers: the photo on its way out, the result on its way in.

Both are made by the embedded engine's child process, as any file of strangers is.
"""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from uuid import UUID

from db import reading, transaction
from db.types import now
from providers import registry
from providers.engine import Result
from providers.fetch import fetch
from services import data, media, outcomes
from services.attempt_rows import Attempt
from workflows.steps import Step

FETCH_DEADLINE_SECONDS = 30.0
# What a bot needs to send it; the rest is about our child process.
SHOWN = ("width", "height", "durationSeconds")
# Each takes a processor and a hundred megabytes for a second; the worker's own job needs them too.
_ONE_CHILD = threading.Semaphore(1)


def photo_of(attempt: Attempt, step: Step) -> Path:
    """The attempt's input as a JPEG that every engine can read.

    EngineError, FetchRefused, FetchFailed, ObjectMissing, StorageUnavailable, OSError; ApiError
    `data_not_found`.
    """
    source = step.folder / "input"
    with source.open("wb") as file:
        item = attempt.input[attempt.input_index]
        if "dataId" in item:
            with reading() as reader:
                key = data.get(reader, UUID(item["dataId"])).storage_key
            with registry.storage().open(key) as stored:
                shutil.copyfileobj(stored, file)
        else:
            fetch(
                item["url"],
                file,
                max_bytes=media.UPLOAD_LIMITS["image"],
                deadline_seconds=FETCH_DEADLINE_SECONDS,
            )
    with _ONE_CHILD:
        return (
            registry.engine(registry.EMBEDDED)
            .prepare(source, workdir=step.folder, should_stop=step.should_stop)
            .path
        )


def finished(attempt: Attempt, fetched: Path, step: Step) -> Result:
    """A fetched result as the bot can send it. EngineError."""
    with _ONE_CHILD:
        return registry.engine(registry.EMBEDDED).finish(
            fetched,
            "video" if attempt.service_type == "animate" else "image",
            workdir=step.folder,
            should_stop=step.should_stop,
        )


def store(attempt: Attempt, result: Result) -> bool:
    """Store a result and end its job with it; False when the job has ended without it.

    StorageUnavailable, OSError.
    """
    size = result.path.stat().st_size
    shown = {name: result.meta[name] for name in SHOWN if name in result.meta}
    meta = {"engine": attempt.engine, "model": attempt.model, **shown, "bytes": size}
    with transaction() as session:
        row = data.reserve(
            session,
            result.media_type,
            content_type=result.content_type,
            now=now(),
            purpose="result",
        )
    with result.path.open("rb") as file:
        registry.storage().put(row.storage_key, file, content_type=result.content_type)
    with transaction() as session:
        return outcomes.finish(session, attempt, row.id, size_bytes=size, meta=meta, now=now())
