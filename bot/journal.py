"""What the bot has begun and what it has done, on disk: what a killed bot may have sent already.

It is never needed to know what is to be done; that, backend and Telegram say again. Without the
file, what they say again is taken as possibly done.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path


class Journal:
    """Numbers of updates or events that are begun or done and not confirmed to their sender."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begun: Counter[int] = Counter()
        self._done: set[int] = set()
        self.is_new = not path.exists()
        if not self.is_new:
            kept = json.loads(path.read_text("utf-8"))
            self._begun, self._done = Counter(kept["begun"]), set(kept["done"])
        path.parent.mkdir(parents=True, exist_ok=True)

    def is_done(self, number: int) -> bool:
        """Whether it needs nothing more."""
        return number in self._done

    def begin(self, number: int) -> int:
        """It is about to be done; returns how often a bot that was killed had begun it: then it may
        be done, or half done.
        """
        before = self._begun[number]
        self._begun[number] += 1
        self._write()
        return before

    def finish(self, number: int) -> None:
        """It is done, or given up."""
        del self._begun[number]
        self._done.add(number)
        self._write()

    def confirm(self, number: int) -> None:
        """Everything before this number is done and will not come again."""
        self._begun = Counter(each for each in self._begun.elements() if each >= number)
        self._done = {each for each in self._done if each >= number}

    def _write(self) -> None:
        # Whole and at once, so that a kill leaves the old file or the new one.
        draft = self._path.with_suffix(".draft")
        text = json.dumps({"begun": sorted(self._begun.elements()), "done": sorted(self._done)})
        draft.write_text(text, "utf-8")
        os.replace(draft, self._path)
