"""What every engine does: a photo goes in, a video, a picture or one refusal comes out.

Engines know nothing of jobs, users or tokens. Each has its own package beside this file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from images import REFUSALS

# code: (what the bot shows the customer, whether the same photo may work on another attempt)
ENGINE_CODES: dict[str, tuple[str, bool]] = {
    **{code: (text, False) for code, text in REFUSALS.items()},
    "content_rejected": ("Эту фотографию нельзя обработать: её не пропустила проверка.", False),
    "service_unsupported": ("Такая обработка сейчас недоступна.", False),
    "engine_timeout": ("Обработка заняла слишком много времени. Попробуйте ещё раз.", True),
    "engine_memory": (
        "Не хватило памяти, чтобы обработать эту фотографию. Пришлите снимок поменьше.",
        False,
    ),
    "engine_crashed": ("Во время обработки произошёл сбой. Попробуйте ещё раз.", True),
    "engine_unavailable": ("Сервис обработки временно недоступен. Попробуйте позже.", True),
    "stopped": ("Обработка остановлена. Попробуйте ещё раз.", True),
}


class EngineError(Exception):
    """A job that ended without a result.

    code: one of ENGINE_CODES; message: a sentence for the customer; retryable: whether another
    attempt may succeed; detail: for the log only, may contain the engine's own messages.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        self.code = code
        self.message, self.retryable = ENGINE_CODES[code]
        self.detail = detail
        super().__init__(f"{code}: {detail or self.message}")


@dataclass(frozen=True)
class Result:
    """A finished file in the job's work folder.

    meta: JSON facts worth keeping with the job; always engine, version and seconds.
    """

    path: Path
    media_type: Literal["video", "image"]
    content_type: str
    meta: dict[str, Any] = field(default_factory=dict)


class Engine(Protocol):
    """Anything that can animate or restore one photo."""

    def run(
        self,
        service_type: str,
        photo: Path,
        *,
        workdir: Path,
        progress: Callable[[int], None],
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Result:
        """Turn `photo` (any bytes a stranger sent) into a file inside `workdir`.

        progress gets whole percents, never decreasing, 100 last. should_stop is called a few times
        a second; once it returns True, work ends with EngineError "stopped". Raises EngineError.
        """
        ...
