"""`python -m worker.check`: whether the workers of this machine and STATE_DIR go on.

For the health check of a container: exit code 1, and a sentence, when one does not or there is
none. It asks neither the database nor the storage: a worker that waits for them needs no restart.
Little is imported, as it runs twice a minute beside each worker.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator

import settings
from worker import heartbeat
from worker.heartbeat import Signs

# The loop turns every two seconds, a lease beats every second; no duty takes half as long as this.
SILENCE_SECONDS = 120.0


def main() -> None:
    """Say what is wrong and leave with 1, or be silent."""
    parser = argparse.ArgumentParser("python -m worker.check")
    parser.add_argument("--silence", type=float, default=SILENCE_SECONDS, metavar="SECONDS")
    silence: float = parser.parse_args().silence
    try:
        current = settings.load()
    except settings.SettingsError as error:
        sys.exit(str(error))
    photo = current.engine_timeout_seconds + silence
    signs = heartbeat.of_this_machine(current.state_dir)
    if wrong := list(faults(signs, now=time.time(), silence_seconds=silence, photo_seconds=photo)):
        sys.exit("\n".join(wrong))


def faults(
    workers: Iterable[Signs], *, now: float, silence_seconds: float, photo_seconds: float
) -> Iterator[str]:
    """A sentence for each worker that does not go on.

    silence_seconds: without any sign; photo_seconds: with a lease that beats, but no next photo.
    """
    found = list(workers)
    if not found:
        yield "no worker runs here"
    for each in found:
        silent, still = now - each.seen_at, now - each.turned_at
        if silent > silence_seconds:
            yield f"worker {each.pid} is frozen or hangs: no sign of it for {silent:.0f} s"
        elif still > photo_seconds:
            yield f"worker {each.pid} hangs: it has been at one photo for {still:.0f} s"


if __name__ == "__main__":
    main()
